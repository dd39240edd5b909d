"""What a run shows: plain lines where there is no terminal, and words that no name or problem can break."""

import io
import re
import time
from datetime import UTC, datetime

import pytest
from rich.console import Console

from recast.lakehouse import ledger, progress
from recast.lakehouse.ledger import Run
from recast.lakehouse.progress import Meter, Seen, summary


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def meter(screen: io.StringIO) -> Meter:
    return Meter(Console(file=screen, width=200))


def new_run() -> Run:
    return ledger.begin("run", "linted_code", "1", {}, {})


def test_a_stage_ends_with_one_line(meter: Meter, screen: io.StringIO) -> None:
    run = new_run()
    with meter.stage(run):
        run |= {"status": "succeeded", "rows_in": 12345, "rows_kept": 12000, "seconds": 61.25}
    line = screen.getvalue()
    assert re.fullmatch(r"\d\d:\d\d:\d\d ✓ linted_code: 12,345 rows, 12,000 kept in 61.2 s\n", line)


def test_plain_lines_begin_with_the_time_of_day_in_utc(meter: Meter, screen: io.StringIO) -> None:
    before = datetime.now(UTC)
    meter.say("run 20260301T123015-a1b2c3: Spark on [local]")
    at, words = screen.getvalue().split(" ", 1)
    assert words == "run 20260301T123015-a1b2c3: Spark on [local]\n"
    assert f"{before:%H:%M:%S}" <= at <= f"{datetime.now(UTC):%H:%M:%S}" or before.day != datetime.now(UTC).day


def test_foreign_words_command_no_terminal(meter: Meter, screen: io.StringIO) -> None:
    meter.say("the engine serves \x1b]0;owned\x07\x9b2J\r\nrecast: [red]all is well[/red] \u202e")
    (line,) = screen.getvalue().splitlines()
    assert line.isprintable()
    assert line.endswith(r"serves \x1b]0;owned\x07\x9b2J\r\nrecast: [red]all is well[/red] \u202e")


def test_a_terminal_needs_no_times(screen: io.StringIO) -> None:
    Meter(Console(file=screen, width=200, force_terminal=True, color_system=None)).say("a line")
    assert screen.getvalue() == "a line\n"


def test_removed_rows_and_requests_are_told_where_there_are_any() -> None:
    counts = {"rows_removed": 3, "model_requests": 1000, "output_tokens": 54321}
    words = summary(new_run() | {"status": "succeeded"} | counts)
    assert "3 removed" in words
    assert "1,000 requests, 54,321 tokens" in words


@pytest.mark.parametrize("problem", ["no key [/x] in [bold]", "a line\nand another", "[red]", "a[/]b"])
def test_a_problem_with_brackets_is_not_taken_for_markup(meter: Meter, screen: io.StringIO, problem: str) -> None:
    run = new_run()
    with pytest.raises(ValueError, match="stop"), meter.stage(run):
        run |= {"status": "failed", "problem": problem}
        raise ValueError("stop")
    (line,) = screen.getvalue().splitlines()
    assert re.match(r"\d\d:\d\d:\d\d ✗ linted_code failed after ", line)


def test_rows_rate_and_time_left_are_told_while_it_works(
    meter: Meter, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.05)
    run = new_run() | {"status": "succeeded"}
    left_by_a_killed_run, now = Seen(output_tokens=400), Seen(10, 900, running=7, waiting=2, phase="lint")
    seen = iter([left_by_a_killed_run])
    with meter.stage(run, lambda: next(seen, now)), meter.step("measure"):
        meter.expect(100)
        meter.committed(15)
        time.sleep(0.3)
    line = screen.getvalue().splitlines()[0]
    assert " linted_code: lint, 25 of 100 rows, " in line
    assert "rows/s" in line
    rate = float(re.search(r"([\d,]+) tokens/s", line)[1].replace(",", ""))
    assert rate < 500 / 0.05, "what was there from the beginning is not counted"
    assert "7 requests running, 2 waiting" in line
    assert line.endswith(" s left")


def test_the_last_minute_is_told_apart_once_there_is_one(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    with meter.stage(new_run() | {"status": "succeeded"}):
        meter.expect(100)
        for minute, tokens in enumerate((0, 600, 6600), start=1):
            clock = 1000.0 + 60 * minute
            words = meter._words(Seen(10, tokens))
    assert "37 tokens/s (100 in the last minute)" in words
    # A commit moves tokens from the journal to the table; none appear or vanish.
    meter.committed(10, 6600)
    assert "37 tokens/s (100 in the last minute)" in meter._words(Seen())


def test_time_is_booked_to_the_step_that_took_it(meter: Meter) -> None:
    run = new_run() | {"status": "succeeded"}
    with meter.stage(run):
        with meter.step("plan"):
            time.sleep(0.02)
        with meter.step("commit"):
            pass
        meter.record_seconds(run)
    assert set(run["seconds_by_step"]) == {"plan", "commit"}
    assert 0.02 <= run["seconds_by_step"]["plan"] <= run["seconds"]


def test_a_stage_starts_from_zero(meter: Meter) -> None:
    for rows in (5, 7):
        with meter.stage(new_run() | {"status": "succeeded"}):
            meter.expect(rows)
            assert (meter.chunks, meter._words()) == (0, f"plan, 0 of {rows} rows")
            meter.committed(2)
            assert meter._words().startswith(f"plan, 2 of {rows} rows, ")
            assert meter.chunks == 1


def test_the_phase_is_the_step_that_the_run_is_at_or_what_measuring_does(meter: Meter) -> None:
    with meter.stage(new_run() | {"status": "succeeded"}):
        with meter.step("plan"):
            assert meter._words(Seen(phase="lint")) == "plan"
        meter.expect(5000)
        with meter.step("measure"):
            assert meter._words(Seen(phase="lint")) == "lint, 0 of 5,000 rows"
        with meter.step("check"):
            assert meter._words(Seen(50, phase="lint")).startswith("check, 50 of 5,000 rows, ")


def test_the_time_left_goes_down_while_a_batch_is_awaited(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)

    def left(rows: float, phase: str = "lint") -> str:
        return meter._words(Seen(rows, phase=phase)).rpartition(", ")[2]

    with meter.stage(new_run() | {"status": "succeeded"}), meter.step("measure"):
        clock = 1020.0  # planning takes none of the rows' time
        meter.expect(100)
        clock = 1030.0
        assert left(20) == "40 s left"
        clock = 1050.0
        assert left(20) == "20 s left"
        clock = 1071.0
        assert left(20) == "0.4 rows/s", "later than expected: nothing says how much longer"
        assert left(40) == "76 s left"
        assert left(100) == "100 of 100 rows"


def test_the_second_phase_has_a_time_left_of_its_own(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    with meter.stage(new_run() | {"status": "succeeded"}), meter.step("measure"):
        meter.expect(100)
        clock = 1050.0
        assert meter._words(Seen(100, phase="ask")) == "ask, 100 of 100 rows"
        words = meter._words(Seen(50, phase="read and lint answers"))
        assert words == "read and lint answers, 50 of 100 rows, 1.0 rows/s, 50 s left"
