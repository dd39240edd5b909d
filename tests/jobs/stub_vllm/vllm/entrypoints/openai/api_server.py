"""Stands where vLLM's server stands: first on an executor's PYTHONPATH, it is what Recast's own command line starts.

It answers as `tests.jobs.lanes.Model` does, on the socket it is given, and writes down who asked what of which device
(`--record`). `--answer-s` is the time that an answer takes.
"""

import argparse
import asyncio
import json
import os
import sys
from typing import Any

from tests.fake_endpoint import Fake, Reply, owner, parse
from tests.jobs.lanes import Model


class Server(Model):
    """The model, told its options by a command line."""

    def __init__(self, options: argparse.Namespace, answer_s: float) -> None:
        super().__init__()
        self.options, self.answer_s = options, answer_s

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        return await Fake.answer(self, path, headers, body)

    async def chat(self, body: dict[str, Any]) -> Reply:
        told = {"server": os.getpid(), "owner": owner(), "device": os.environ.get("CUDA_VISIBLE_DEVICES")}
        with open(self.options.record, "a", encoding="utf-8") as record:
            record.write(json.dumps({"text": body["messages"][-1]["content"], **told}) + "\n")
        return await super().chat(body)


async def serve(options: argparse.Namespace, answer_s: float) -> None:
    server = await asyncio.start_unix_server(Server(options, answer_s).connection, options.uds, limit=1 << 30)
    await server.serve_forever()


if __name__ == "__main__":
    given = argparse.ArgumentParser(allow_abbrev=False)
    given.add_argument("--answer-s", type=float, default=0.0)
    asyncio.run(serve(parse(sys.argv[1:]), given.parse_known_args()[0].answer_s))
