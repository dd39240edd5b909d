"""Lakes in a real S3 server: both lanes end to end, kills, two runs at once, what is left, and what is never written.

`make test-s3` brings the server and runs these tests. docs/object_storage.md shows the same commands.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recast import exits, journal
from recast.jobs.settings import resolve
from recast.storage import place
from tests import clusters
from tests.clusters import KEPT, run, small_sources
from tests.jobs.lanes import Model, write_pages
from tests.s3_server import SECRET, Server, send, serving

pytestmark = [pytest.mark.s3, pytest.mark.spark, pytest.mark.slow]

PAGES = 48
LAKE = "s3a://lake/my lake"
JOURNALS = f"{LAKE}/_work/rewritten_math/journal"
START_TIMEOUT_S = 300.0
SECONDS_S = 10.0  # "within seconds"


class Story(NamedTuple):
    """A lake that was killed, met by second runs, and finished; and what was said on the way.

    Attributes:
        env: environment in which commands find it.
        refused: what the second runs said, the first beside the run that is killed.
        resumed: what the run said that went on.
        asked: how often the model was asked about each text, before the kill and after it.
        journaled: answers that were kept when the run was killed.
        held: what the lease said of the run that was killed.
    """

    env: dict[str, str]
    refused: "list[subprocess.CompletedProcess[str]]"
    resumed: "subprocess.CompletedProcess[str]"
    asked: tuple[dict[Any, int], dict[Any, int]]
    journaled: int
    held: dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that commands and this process find."""
    with serving(tmp_path_factory.mktemp("s3")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            if name.startswith(("AWS_", "RECAST_", "SPARK_CONF")):
                patch.setenv(name, value)
        resolve(lake=LAKE)
        yield running


def sources(folder: Path) -> dict[str, str]:
    """Write small sources of both lanes into the bucket; return the settings that name them."""
    settings = small_sources(folder)
    numbers = range(10, 10 + PAGES)
    write_pages(folder / "math", [(f"https://a.org/{each}", clusters.page(each)) for each in numbers])
    for name in ("code", "math"):
        send(folder / name, f"s3a://lake/sources/{name}")
    return settings | {
        "RECAST_CODE_SOURCE": "s3a://lake/sources/code/data",
        "RECAST_CODE_CONTENTS": "s3a://lake/sources/code/content",
        "RECAST_MATH_SOURCE": "s3a://lake/sources/math",
    }


def recast(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of Recast's."""
    return run(["recast", *arguments], env)


def asked(model: Model) -> dict[Any, int]:
    """Return how often the model was asked about each text since the last call."""
    counts = dict(model.asked)
    model.asked.clear()
    return counts


@pytest.fixture(scope="module")
def story(server: Server, served_model: tuple[Model, str], tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Kill a run in the middle of a model stage, and have the next one finish both lanes; each meets a second run."""
    model, url = served_model
    more = {"RECAST_LAKE": LAKE, "RECAST_ENDPOINT": url, "RECAST_MODEL": "model-a"}
    env = server.environment(**sources(tmp_path_factory.mktemp("sources")), **more)
    slow = env | {"RECAST_WINDOW": "2", "RECAST_PARTITIONS": "2"}
    model.answer_s = 3.0  # so that the second run is refused while answers are still due
    asked(model)
    driver = subprocess.Popen(["recast", "refresh", "math"], cwd=clusters.CHECKOUT, env=slow, start_new_session=True)
    try:
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while journal.progress(JOURNALS).rows == 0:
            assert driver.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        refused = [recast(env, "refresh", "math")]
        assert driver.poll() is None
        held = leased("raw_math")
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    while time.monotonic() - model.last_answer_at < 5:  # Spark's Python workers end by themselves
        time.sleep(0.1)
    before, journaled = asked(model), journal.progress(JOURNALS).rows
    model.answer_s = 0.2
    resumed = subprocess.Popen(
        ["recast", "refresh"],
        cwd=clusters.CHECKOUT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        while "raw_code.lease" not in files(server, "my lake/_work") or leased("raw_code")["process"] != resumed.pid:
            assert resumed.poll() is None, "the run ended before a second one met it"
            time.sleep(0.1)
        refused.append(recast(env, "refresh", "code"))
        output, _ = resumed.communicate(timeout=clusters.SUBMIT_S)
    finally:
        clusters.end(resumed)
    ended = subprocess.CompletedProcess(["recast", "refresh"], resumed.returncode, output, "")
    return Story(env, refused, ended, (before, asked(model)), journaled, held)


def read(uri: str) -> bytes:
    """Return an object's bytes."""
    filesystem, path = place(uri)
    with filesystem.open_input_stream(path) as stream:
        return bytes(stream.read())


def leased(table: str) -> dict[str, Any]:
    """Return what the lease of a table says."""
    return dict(json.loads(read(f"{LAKE}/_work/{table}.lease")))


def files(server: Server, below: str = "") -> list[str]:
    """Return the names of all objects of the bucket below a folder."""
    root = server.folder / "lake" / below
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_killed_run_goes_on_at_once_and_both_lanes_are_right(story: Story) -> None:
    assert story.resumed.returncode == 0, story.resumed.stdout
    counted = "SELECT table_name, max(status) AS status FROM runs GROUP BY ALL"
    said = recast(story.env, "sql", counted, "--format", "json")
    assert {json.loads(line)["table_name"] for line in said.stdout.splitlines()} == KEPT.keys()
    math = {name: (PAGES, PAGES) for name in KEPT if name.endswith("math")}
    each = "SELECT '{0}' AS name, count(*) AS n, sum(kept::int) AS k FROM {0}"
    said = recast(story.env, "sql", " UNION ALL ".join(map(each.format, KEPT)), "--format", "json")
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert {row["name"]: (row["n"], row["k"]) for row in rows} == KEPT | math


def test_no_answer_that_was_kept_is_paid_for_twice(story: Story) -> None:
    before, after = story.asked
    paid = Counter(before) + Counter(after)
    twice = [text for text, times in paid.items() if times > 1]
    assert 0 < story.journaled <= len(before) < PAGES
    assert max(paid.values()) <= 2
    assert len(twice) == len(before) - story.journaled


def test_of_two_runs_one_works_and_the_other_says_who_holds_the_lease_and_since_when(story: Story) -> None:
    first, second = story.refused
    held = story.held
    assert (first.returncode, first.stdout) == (exits.BUSY, "")
    assert first.stderr.startswith(
        f"recast: another run (process {held['process']} on {held['host']}, since {held['since']}) is writing raw_math"
    )
    assert second.returncode == exits.BUSY
    assert re.fullmatch(
        r"recast: another run \(process \d+ on \S+, since 20\S+\) is writing raw_code; .*\n", second.stderr
    )
    assert story.resumed.returncode == 0, "the first went on"


def test_nothing_is_left_but_leases_that_were_given_back_and_sparks_log(story: Story, server: Server) -> None:
    left = files(server, "my lake/_work")
    assert [name for name in left if not name.endswith(".lease")] == ["spark.log"]
    assert {name.removesuffix(".lease") for name in left} - {"spark.log"} == KEPT.keys()
    assert all(leased(name)["released"] for name in KEPT)
    assert b"WARN" in read(f"{LAKE}/_work/spark.log")


def test_data_docs_lie_in_the_lake_as_pages_that_browsers_show(story: Story, server: Server) -> None:
    pages = files(server, "my lake/data_docs")
    assert {name.split("/")[1] for name in pages if name.startswith("validations/")} == KEPT.keys()
    index = read(f"{LAKE}/data_docs/index.html").decode()
    assert all(f"validations/{name}/" in index for name in KEPT.keys() - {"raw_math"}), "raw_math is the killed run's"
    filesystem, path = place(f"{LAKE}/data_docs/index.html")
    with filesystem.open_input_stream(path) as stream:
        assert stream.metadata()["Content-Type"] == b"text/html"


def test_an_unchanged_lake_is_up_to_date_in_seconds(story: Story) -> None:
    begun = time.monotonic()
    said = recast(story.env, "refresh")
    assert (said.returncode, said.stderr) == (0, "everything is up to date\n")
    assert time.monotonic() - begun < 2 * SECONDS_S


def test_the_pages_commands_run_on_the_lake(story: Story, tmp_path: Path) -> None:
    page = (clusters.CHECKOUT / "docs" / "object_storage.md").read_text("utf-8")
    shown = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in shown for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        said = run(["bash", "-c", line], story.env, tmp_path)
        assert said.returncode == 0 and not re.search("warn", said.stderr, re.IGNORECASE), (line, said)


def test_no_secret_is_in_the_lake_the_logs_or_what_spark_shows_of_itself(story: Story, server: Server) -> None:
    events = [path for path in (server.folder.parent / "events").rglob("*") if path.is_file()]
    assert events, "Spark's pages are drawn from these"
    for path in [*(server.folder / "lake").rglob("*"), *events]:
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    for said in (story.resumed, *story.refused):
        assert SECRET not in f"{said.stdout}{said.stderr}"


def one_line(said: "subprocess.CompletedProcess[str]") -> str:
    (line,) = said.stderr.splitlines()
    assert (said.returncode, said.stdout) == (2, ""), said
    return line


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"AWS_SECRET_ACCESS_KEY": ""}, "bucket lake at {url} cannot be used: AWS_SECRET_ACCESS_KEY is not set"),
        (
            {"AWS_SECRET_ACCESS_KEY": "other"},
            "bucket lake at {url} cannot be used: the store says SignatureDoesNotMatch",
        ),
        (
            {"RECAST_S3_REGION": "eu-west-1"},
            "bucket lake at {url} cannot be used: it is in another region than eu-west-1",
        ),
        ({"RECAST_LAKE": "s3a://none/l"}, "bucket none at {url} cannot be used: there is no such bucket"),
        (
            {"RECAST_S3_ENDPOINT": "http://127.0.0.1:1"},
            "bucket lake at http://127.0.0.1:1 cannot be used: nothing answers",
        ),
    ],
)
@pytest.mark.parametrize("command", [("refresh", "raw_math"), ("sql", "SELECT 1"), ("status",), ("plan", "raw_math")])
def test_what_is_wrong_is_one_line_within_seconds(
    command: tuple[str, ...], wrong: dict[str, str], told: str, server: Server
) -> None:
    begun = time.monotonic()
    env = server.environment(RECAST_LAKE=LAKE, RECAST_CONFIG=os.devnull, RECAST_MATH_SOURCE="s3a://lake/none") | wrong
    said = recast(env, *command)
    assert one_line(said).startswith(f"recast: {told.format(url=server.url)}")
    assert time.monotonic() - begun < SECONDS_S


def test_a_source_in_a_bucket_that_is_not_there_is_named(server: Server) -> None:
    env = server.environment(RECAST_LAKE=LAKE, RECAST_CONFIG=os.devnull, RECAST_MATH_SOURCE="s3a://none/math")
    assert one_line(recast(env, "refresh", "raw_math")).endswith("there is no such bucket")


def test_a_spark_without_its_client_for_s3_says_which_package_to_give(story: Story, tmp_path: Path) -> None:
    env = story.env | {"SPARK_CONF_DIR": str(tmp_path), "RECAST_LAKE": "s3a://lake/other"}
    line = recast(env, "refresh", "raw_math").stderr.splitlines()[-1]
    assert line.startswith("recast: Spark has no client for s3a://lake/other: give --conf spark.jars.packages=")
    assert "org.apache.hadoop:hadoop-aws:3.4.2" in line


COMMIT = """
from recast import s3
s3.use()
from recast.lakehouse import session, store
spark = session.start("commits")
system, path = store.hadoop(spark, "s3a://lake/commits/00000000000000000001.json")
first, second = (system.create(path, False) for _ in range(2))
for stream, name in ((first, "first"), (second, "second")):
    stream.write(bytearray(name.encode()))
    stream.close()
"""


def test_what_spark_writes_where_nothing_must_be_is_no_conditional_request_so_that_leases_are_needed(
    server: Server,
) -> None:
    """Delta commits so. If this fails, hadoop-aws has learnt better, and docs/object_storage.md is to be mended."""
    said = run(["python", "-c", COMMIT], server.environment(AWS_ENDPOINT_URL=server.url))
    assert said.returncode == 0, said
    assert read("s3a://lake/commits/00000000000000000001.json") == b"second"
