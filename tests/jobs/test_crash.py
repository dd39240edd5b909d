"""A driver that is killed in the middle of a model stage: what the next run finds, and what is paid for twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from recast import journal
from recast.jobs.settings import Settings
from recast.lakehouse import query
from tests.jobs.lanes import Lane, Model, write_pages
from tests.jobs.test_math_lane import page

PAGES = 96
TASKS, WINDOW = 2, 4
ANSWER_S = 1.0
JOURNAL_FLUSH_S = 3.0  # RewriteSpec.journal_flush_s
START_TIMEOUT_S = 300.0
QUIET_S = 5.0


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """Start `recast refresh math` as a program with a process group of its own."""
    options = {
        "lake": settings.lake,
        "math-source": settings.math_source,
        "endpoint": settings.endpoint,
        "model": settings.model,
        "window": settings.window,
        "partitions": settings.partitions,
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen([sys.executable, "-m", "recast", "refresh", "math", *arguments], start_new_session=True)


@pytest.mark.spark
@pytest.mark.slow
def test_a_killed_run_loses_nothing_and_pays_twice_for_no_more_than_was_under_way(
    served_model: tuple[Model, str], tmp_path: Path
) -> None:
    model, url = served_model
    model.failing, model.answer_s = set(), ANSWER_S
    write_pages(tmp_path / "source", [(f"https://a.org/{n}", page(2 * n)) for n in range(10, 10 + PAGES)])
    settings = Settings(
        lake=str(tmp_path / "lake"),
        math_source=str(tmp_path / "source"),
        endpoint=url,
        model="model-a",
        window=WINDOW,
        partitions=TASKS,
    )
    lane = Lane(settings, model)
    lane.requests()
    journals = f"{settings.lake}/_work/rewritten_math/journal"

    driver = start(settings)
    try:
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while journal.progress(journals).rows == 0:
            assert driver.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    while time.monotonic() - model.last_answer_at < QUIET_S:  # Spark's Python workers end by themselves
        time.sleep(0.1)
    first, journaled = lane.requests(), journal.progress(journals).rows
    assert 0 < journaled <= len(first) < PAGES
    assert query.version(settings, "rewritten_math") in (None, 0), "nothing was committed"

    model.answer_s = 0.0
    with start(settings) as driver:
        assert driver.wait() == 0
    second = lane.requests()
    paid = Counter(first) + Counter(second)
    assert len(paid) == PAGES, "every page was asked about"
    twice = [text for text, times in paid.items() if times > 1]
    assert max(paid.values()) <= 2
    assert len(twice) == len(first) - journaled, "what was journaled is not asked again"
    # What was in flight, and what was answered since the last flush.
    assert len(twice) <= TASKS * WINDOW * (1 + JOURNAL_FLUSH_S / ANSWER_S + 1)

    rows = lane.rows("rewritten_math", "kept, answer_status")
    assert len(rows) == PAGES
    assert all(row["kept"] for row in rows.values())
    assert len(lane.rows("published_math")) == PAGES
    assert not Path(journals).exists(), "the commit removes the journal"
    assert [each["table_name"] for each in query.rows(settings, "SELECT * FROM runs WHERE status = 'running'")] == []
    print(f"asked {len(first)}, journaled {journaled}, asked twice {len(twice)} of {PAGES}")
