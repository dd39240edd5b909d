"""What servers send, served to the real feeder: asked once whatever its form, stored whole, read for what it is."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recast.inference.server.spec import EngineSpec
from recast.udfs.python import reading
from tests.inference.feeding import asked, batch, run, spec_for

Make = Callable[..., EngineSpec]


CASES = Path(__file__).parent.parent / "cases"


GIVEN: dict[str, Any] = json.loads((CASES / "responses.json").read_text("utf-8"))


FENCED = f"```python\n{GIVEN['program']}```\n"


CUT = next(case["message"]["content"] for case in GIVEN["responses"] if case["id"] == "cut-but-stop")


SLOTS = {"{program}": FENCED, "{half}": FENCED[:100], "{rest}": FENCED[100:], "{cut}": CUT}


MOST_TOKENS = 8192


def filled(value: Any) -> Any:
    """Return a case with the answers in place of their names."""
    if isinstance(value, list):
        return [filled(each) for each in value]
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    return SLOTS.get(value, value) if isinstance(value, str) else value


SIBLINGS = json.loads((CASES / "responses_siblings.json").read_text("utf-8"))["responses"]


RESPONSES: dict[str, dict[str, Any]] = {case["id"]: filled(case) for case in [*GIVEN["responses"], *SIBLINGS]}


def served(endpoint: Make, folder: Path, responses: dict[str, Any], **fields: Any) -> tuple[list[dict[str, Any]], Any]:
    """Have every case answered through the feeder; return its rows and how often each case was asked."""
    (folder / "responses.json").write_text(json.dumps(responses))
    args = ("--responses", str(folder / "responses.json"), "--record", str(folder / "record"), "--context", "100000")
    spec = spec_for(endpoint(*args), max_tokens=MOST_TOKENS, **fields)
    return run(spec, batch(*responses)), asked(folder / "record")


@pytest.fixture(scope="module")
def answered() -> Iterator[tuple[dict[str, dict[str, Any]], Counter[str]]]:
    """All cases, answered in one task."""
    from tests.inference.conftest import served_endpoints

    with served_endpoints() as endpoint, tempfile.TemporaryDirectory() as folder:
        rows, counts = served(endpoint, Path(folder), RESPONSES)
    yield {row["text"]: row for row in rows}, counts


def test_there_are_cases_and_five_siblings_of_each_kind() -> None:
    assert len(GIVEN["responses"]) == 7
    assert len(SIBLINGS) >= 5 * 5
    assert len(RESPONSES) == len(GIVEN["responses"]) + len(SIBLINGS), "every id is one case"


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_asked_for_once_and_read_for_what_it_is(name: str, answered: Any) -> None:
    case, row, asked_times = RESPONSES[name], answered[0][name], answered[1][name]
    assert asked_times == case.get("right_asked", 1)
    assert row["answer_status"] == "answered"
    read = reading.read_code_answer(GIVEN["source"], row["answer"], row["answer_status"], row["finish_reason"])
    if "right_reason" in case:
        assert read.reason == case["right_reason"]
        if read.reason is None:
            assert read.text == GIVEN["program"]
            assert row["finish_reason"] == "stop", "an expectation of the tables: a kept answer ended by itself"
    for fact, column in (
        ("right_finish", "finish_reason"),
        ("right_reasoning", "reasoning"),
        ("right_output_tokens", "output_tokens"),
    ):
        if fact in case:
            assert row[column] == case[fact]
    said = case.get("choice", case).get("finish_reason")
    assert row["server_finish_reason"] == (said if isinstance(said, str | None) else said_in(said))


def said_in(finish_reason: Any) -> str | None:
    return finish_reason["type"] if isinstance(finish_reason, dict) else None


def test_what_was_written_where_no_answer_stands_is_in_the_row(answered: Any) -> None:
    row = answered[0]["all-in-reasoning"]
    assert row["reasoning"] == FENCED
    assert row["answer"] == ""
    read = reading.read_code_answer(GIVEN["source"], row["answer"], row["answer_status"], row["finish_reason"])
    assert read.reason == "empty"


def test_counts_that_cannot_be_are_no_counts(answered: Any) -> None:
    rows = [row for name, row in answered[0].items() if name.startswith("usage-")]
    assert len(rows) >= 10
    for row in rows:
        assert row["output_tokens"] in (None, 20)
        assert row["prompt_tokens"] in (None, 10)
    assert answered[0]["cached-above-prompt"]["cached_tokens"] is None


def test_the_journal_brings_back_every_column_of_an_answer(endpoint: Make, tmp_path: Path) -> None:
    kept = str(tmp_path / "journal")
    some = {name: RESPONSES[name] for name in ("all-in-reasoning", "finish-eos", "cut-but-stop")}
    before, _ = served(endpoint, tmp_path, some, journal=kept)
    nowhere = spec_for(EngineSpec(model="/no/such/model"), journal=kept, max_tokens=MOST_TOKENS)
    after = run(nowhere, batch(*some))

    def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: row["id"])

    assert by_id(after) == by_id(before)
    assert {row["server_finish_reason"] for row in after} == {"stop", "eos"}
