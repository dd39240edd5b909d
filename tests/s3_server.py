"""A real S3 server on this machine: versitygw over a folder, with the Spark client that fits it. `make test-s3` brings both."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from recast.storage import place, upload
from tests.clusters import CHECKOUT, end, submitter

BROUGHT = CHECKOUT / ".cache" / "s3"
KEY, SECRET = "AKIARECAST", "hunter2-is-no-secret"
BUCKET = "lake"
START_S = 30.0


class Server(NamedTuple):
    """A running server: its URL, and the folder whose folders are its buckets."""

    url: str
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a shell whose user has set endpoint and keys, and Spark's class path."""
        clean = {name: value for name, value in submitter().items() if not name.startswith("AWS_")}
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
        conf = {"SPARK_CONF_DIR": str(self.folder.parent / "conf")}
        urls = {"RECAST_S3_ENDPOINT": self.url, "RECAST_CONTENTS_ENDPOINT": self.url}
        return clean | keys | conf | urls | more


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Give the block a server with one empty bucket; skip the test where `make test-s3` has not brought it."""
    program, jars = BROUGHT / "bin" / "versitygw", BROUGHT / "jars"
    if not program.exists() or not jars.exists():
        pytest.skip("`make test-s3` brings the server")
    (folder / "buckets" / BUCKET).mkdir(parents=True)
    for name in ("tags", "conf", "events"):
        (folder / name).mkdir()
    (folder / "conf" / "spark-defaults.conf").write_text(
        f"spark.driver.extraClassPath {jars}/*\n"
        f"spark.eventLog.enabled true\nspark.eventLog.dir {(folder / 'events').as_uri()}\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [str(program), "--quiet", "--port", address, "posix", "--sidecar", str(folder / "tags")]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(folder / "buckets")],
            env={"PATH": os.defpath, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        give_up_at = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(address.split(":")):  # type: ignore[arg-type]
                break
            assert process.poll() is None and time.monotonic() < give_up_at, (folder / "server.log").read_text()
            time.sleep(0.05)
        yield Server(f"http://{address}", folder / "buckets")
    finally:
        end(process)


def send(folder: Path, uri: str) -> None:
    """Copy a folder of this machine into the bucket."""
    for file in folder.rglob("*"):
        if file.is_file():
            upload(file, place(uri).joined(file.relative_to(folder).as_posix()))
