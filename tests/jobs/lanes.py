"""Lanes small enough for tests: their sources, a model that answers well, and what a refresh of them did."""

import asyncio
import gzip
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from recast import prompts
from recast.jobs.catalogue import chosen
from recast.jobs.running import refresh_stages
from recast.jobs.settings import Settings
from recast.lakehouse import query
from recast.lakehouse.ledger import Run
from recast.lakehouse.progress import Meter
from tests.fake_endpoint import Fake, Reply, parse
from tests.sources import REPOSITORIES, blob_id, table_of

PAGES = pa.schema(
    [
        ("url", pa.string()),
        ("text", pa.string()),
        ("warc_filename", pa.string()),
        ("warc_record_offset", pa.int32()),
        ("crawl", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
        ("score", pa.float64()),
        ("int_score", pa.int64()),
        ("token_count", pa.int32()),
        ("fetch_time", pa.int64()),
    ]
)
MODELS = ("model-a", "model-b")
SLOT = prompts.SLOT


@dataclass(frozen=True)
class File:
    """A file of a repository, and what the content store holds for it (None: nothing; by default its gzip stream)."""

    path: str
    content: bytes
    stored: bytes | None = b"*"
    language: str = "Python"
    src_encoding: str | None = "UTF-8"
    license_type: str | None = "permissive"
    detected_licenses: tuple[str, ...] | None = ("MIT",)
    named: str = ""

    @property
    def blob_id(self) -> str:
        """Return what the source calls its content: what git calls it, unless it is `named` otherwise."""
        return self.named or blob_id(self.content)

    def listed(self) -> dict[str, Any]:
        """Return the file as the source lists it."""
        return {
            "blob_id": self.blob_id,
            "path": self.path,
            "content_id": self.blob_id,
            "language": self.language,
            "length_bytes": len(self.content),
            "detected_licenses": self.detected_licenses,
            "license_type": self.license_type,
            "src_encoding": self.src_encoding,
            "is_vendor": False,
            "is_generated": False,
        }


def program(name: str) -> bytes:
    """Return a program that pylint rates 10."""
    return (
        f'"""Sums of {name}."""\n\n\ndef total_{name}(values):\n'
        f'    """Return the sum of `values`."""\n    result_{name} = sum(values)\n    return result_{name}\n'
    ).encode()


def write_repositories(folder: Path, repositories: dict[str, list[File]]) -> None:
    """Write a code source as `folder/data/` and `folder/content/`."""
    for name in ("data", "content"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for file in (file for files in repositories.values() for file in files):
        stored = gzip.compress(file.content, mtime=0) if file.stored == b"*" else file.stored
        if stored is not None and not file.named:
            (folder / "content" / file.blob_id).write_bytes(stored)
    rows = [
        {
            "repo_name": name,
            "revision_id": "r" * 40,
            "snapshot_id": "s" * 40,
            "files": [file.listed() for file in files],
        }
        for name, files in repositories.items()
    ]
    pq.write_table(table_of(rows, REPOSITORIES), folder / "data" / "repositories.parquet")


def write_pages(
    folder: Path, pages: list[tuple[str, str | None]], more: Sequence[dict[str, Any]] = (), file: str = "pages"
) -> None:
    """Write a file of a math source of pages: address and text; and of pages that have `more` columns of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"warc_filename": "w", "warc_record_offset": 1, "crawl": "c", "language": "en", "score": 4.5}
    usual |= {"language_score": 0.9, "int_score": 4, "token_count": 100}
    rows = [usual | {"url": url, "text": text} for url, text in pages] + [usual | page for page in more]
    pq.write_table(table_of(rows, PAGES), folder / f"{file}.parquet")


def strings_below(folder: Path) -> str:
    """Return all that files below a folder say: their bytes, and what Parquet holds."""
    said = []
    for file in filter(Path.is_file, folder.rglob("*")):
        content = file.read_bytes()
        said.append(content.decode(errors="replace"))
        if content.startswith(b"PAR1"):
            said.append(str(pq.read_table(file, partitioning=None).to_pylist()))
    return "\n".join(said)


class Model(Fake):
    """An endpoint whose answers pass every gate: the program with one more function, the page with one more line.

    A text that holds a word of `failing` is refused, one that holds a word of `cut` is answered in part. `asked`
    counts requests by (prompt, text). Every answer takes `answer_s` seconds; `last_answer_at` is monotonic.
    """

    def __init__(self) -> None:
        super().__init__(parse([]))
        self.failing: set[str] = set()
        self.cut: set[str] = set()
        self.answer_s = self.last_answer_at = 0.0
        self.prompts = [prompts.load(name) for name in prompts.names()]

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        if path == "/v1/models":
            return Reply(content={"data": [{"id": name, "max_model_len": 32768} for name in MODELS]})
        return await super().answer(path, headers, body)

    async def chat(self, body: dict[str, Any]) -> Reply:
        system, user = (message["content"] for message in body["messages"])
        (prompt,) = (each for each in self.prompts if each.system == system)
        before, after = prompt.user.split(SLOT)
        text = user.removeprefix(before).removesuffix(after)
        self.asked[prompt.name, text] += 1  # type: ignore[index]
        await asyncio.sleep(self.answer_s)
        self.last_answer_at = time.monotonic()
        if any(word in text for word in self.failing):
            return Reply(400, {"error": {"message": "refused by the model's owner"}})
        content = improved_page(text) if prompt.name.startswith("rewrite_math") else f"Rating: 6/10\n\n{improved(text)}"
        if any(word in text for word in self.cut):
            return response(content[: len(content) // 2], "length")
        return response(content, "stop")


def response(content: str, finish_reason: str) -> Reply:
    """Return a chat completion of one hundred prompt tokens and ten tokens."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return Reply(content={"choices": [choice], "usage": usage})


def improved(program: str) -> str:
    """Return a program with one more documented function, as an answer gives it."""
    name = f"purpose_{program.count('def purpose')}"
    more = f'\n\ndef {name}():\n    """Return what the program is for."""\n    return "an example"\n'
    return f"```python\n{program}{more}```"


def improved_page(page: str) -> str:
    """Return a page with one more line."""
    return f"{page.strip()}\n\nThis is what was asked for."


class Lane:
    """A lake with its sources and model; `refresh` returns what was done, by table, and `requests` what was asked."""

    def __init__(self, settings: Settings, model: Model) -> None:
        self.settings, self.model = settings, model

    def refresh(self, *names: str, retry: bool = False, **changes: Any) -> dict[str, Run]:
        """Refresh the tables named under changed settings; return the rows of `runs` by table."""
        meter = Meter(Console(quiet=True))
        runs = refresh_stages(replace(self.settings, **changes), chosen(names), retry, meter)
        return {run["table_name"]: run for run in runs}

    def requests(self) -> dict[tuple[str, str], int]:
        """Return how often the model was asked, by prompt and text, since the last call."""
        asked = dict(self.model.asked)
        self.model.asked.clear()
        return asked  # type: ignore[return-value]

    def rows(self, table: str, columns: str = "*") -> dict[str, dict[str, Any]]:
        """Return a table's rows by doc_id."""
        rows = query.rows(self.settings, f"SELECT doc_id, {columns} FROM {table}")
        assert len({row["doc_id"] for row in rows}) == len(rows)
        return {row["doc_id"]: row for row in rows}

    def copied(self, folder: Path) -> "Lane":
        """Return the lane with a copy of its lake and its sources in `folder`, to be changed at will."""
        moved: dict[str, Any] = {}
        for name in ("lake", "code_source", "code_contents", "math_source"):
            place = getattr(self.settings, name)
            if place and Path(place).exists():
                moved[name] = str(folder / f"copied {name}")
                shutil.copytree(place, moved[name], ignore=shutil.ignore_patterns("data_docs", "_work"))
        return Lane(replace(self.settings, **moved), self.model)


def serve(model: Model) -> tuple[str, Any]:
    """Serve a model on a port of its own in a thread of this process; return its base URL and what ends it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="model")
    thread.start()

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(model.connection, "127.0.0.1", 0, limit=1 << 30)

    async def cancel_all() -> None:
        ending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()

    def end() -> None:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", end
