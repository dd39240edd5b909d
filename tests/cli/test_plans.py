"""`recast plan`: what it prints of plans."""

import json

import pytest

from recast import prompts
from recast.cli.plans import show, show_reasons
from recast.lakehouse.chunks import Chunk
from recast.lakehouse.costs import Estimate
from recast.lakehouse.plan import Plan

PLANS = (
    Plan("raw_code", unchanged=67),
    Plan("parsed_code", ("rule 2 -> 3",), {"measure": 60}, may_come=0, chunks=(Chunk(0, "", None),)),
    Plan(
        "linted_code",
        ("threshold 7.0 -> 6.5\x1b[2J",),
        {"decide": 1042, "remove": 3},
        unchanged=5,
        may_come=60,
        likely_come=None,
    ),
)


def test_a_plan_is_a_line_per_table_with_what_changed_below(capsys: pytest.CaptureFixture[str]) -> None:
    show(PLANS, as_json=False)
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert lines["raw_code"] == ["raw_code", "67"]
    assert lines["parsed_code"] == ["parsed_code", "60"]
    assert lines["linted_code"] == ["linted_code", "1,042", "3", "5", "up", "to", "60"]
    assert "parsed_code: rule 2 -> 3" in shown
    assert "linted_code: threshold 7.0 -> 6.5" in shown
    assert "up to date" not in shown


def test_what_moves_and_what_measuring_takes_are_lines_below(capsys: pytest.CaptureFixture[str]) -> None:
    moves = {"low_score -> kept": 1042}
    least, likely, most = (
        Estimate(1000, 500, 90.0, 0.25),
        Estimate(1500, 500, 90.0, 1.0),
        Estimate(2000, 500, 90.0, 1.5),
    )
    plan = PLANS[1]._replace(estimate=least, most=most, moves=moves, moved_tokens={"low_score -> kept": 51200})
    show([plan, plan._replace(likely=likely, may_come=60, likely_come=30)], as_json=False)
    shown = capsys.readouterr().out
    assert "parsed_code: 1,042 rows low_score -> kept, 51,200 tokens\n" in shown
    assert "about 30," in shown and "up to 60" in shown
    assert (
        "parsed_code: by earlier runs: about 1,500 prompt tokens (1,000 to 2,000), 500 tokens of answers, 1.5 minutes, "
        "about 1.00 in the unit of the prices (0.25 to 1.50)"
    ) in shown
    assert (
        "parsed_code: by earlier runs: 1,000 to 2,000 prompt tokens, 500 tokens of answers, 1.5 minutes, "
        "0.25 to 1.50 in the unit of the prices"
    ) in shown


def test_tokens_that_no_table_counts_are_called_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    moves, tokens = {"low_score -> kept": 1042}, {"low_score -> kept": 51200}
    plan = PLANS[2]._replace(moves=moves, moved_tokens=tokens, tokens_estimated=True)
    show([plan], as_json=False)
    line = "linted_code: 1,042 rows low_score -> kept, about 51,200 tokens by the length of their texts"
    assert line in capsys.readouterr().out
    show([plan], as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["moves"], said["moved_tokens"], said["tokens_estimated"]) == (moves, tokens, True)


def test_prompts_are_called_by_name_and_other_hashes_by_their_first_digits(capsys: pytest.CaptureFixture[str]) -> None:
    known, unknown = prompts.load("style_code_v1").fingerprint, "0123456789abcdef" * 4
    why = (
        f'prompt "{known}" -> "{unknown}"',
        f'linter "{unknown[:16]}" -> nothing',
        f"source changed (version {unknown[:16]} -> table@1234567890123456789)",
        'model "a" -> "b"',
    )
    words = [
        "prompt style_code_v1 -> 01234567",
        "linter 01234567 -> nothing",
        "source changed (version 01234567 -> table@1234567890123456789)",
        'model "a" -> "b"',
    ]
    show([PLANS[2]._replace(why=why)], as_json=False)
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("linted_code: ")] == [
        f"linted_code: {line}" for line in words
    ]
    show([PLANS[2]._replace(why=why)], as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["why"], said["why_in_full"]) == (words, list(why))
    show_reasons({"linted_code": why}, as_json=False)
    assert capsys.readouterr().out.splitlines() == [f"linted_code: {line}" for line in words]


def test_a_refusal_is_told_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    plan = PLANS[2]._replace(refused="the last run of parsed_code is failed")
    show([plan], as_json=False)
    assert "linted_code: would stop: the last run of parsed_code is failed" in capsys.readouterr().out
    show([plan], as_json=True)
    assert json.loads(capsys.readouterr().out)["refused"] == "the last run of parsed_code is failed"


def test_nothing_to_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show(PLANS[:1], as_json=False)
    assert "everything is up to date" in capsys.readouterr().out


def test_json_is_an_object_per_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(PLANS, as_json=True)
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "table_name": "raw_code",
        "why": [],
        "why_in_full": [],
        "source_rows_changed": 0,
        **dict.fromkeys(("measure", "copy", "decide", "withdraw", "remove"), 0),
        "unchanged": 67,
        "may_come": 0,
        "likely_come": 0,
        "conflicting": 0,
        "chunks": 0,
        "moves": {},
        "moved_tokens": {},
        "tokens_estimated": False,
        "estimate": None,
        "likely": None,
        "most": None,
        "refused": "",
    }
    assert (second["measure"], second["chunks"]) == (60, 1)
    assert (third["decide"], third["remove"], third["may_come"]) == (1042, 3, 60)


def test_reasons_alone_are_a_line_each_or_an_object_per_table(capsys: pytest.CaptureFixture[str]) -> None:
    why = {"raw_code": (), "parsed_code": ("source changed (version 3 -> 4)", "rule 2 -> 3\x1b[2J")}
    show_reasons(why, as_json=False)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "parsed_code: source changed (version 3 -> 4)"
    assert shown[1].startswith("parsed_code: rule 2 -> 3") and "\x1b" not in shown[1]
    show_reasons({"raw_code": ()}, as_json=False)
    assert capsys.readouterr().out == "everything is up to date\n"
    show_reasons(why, as_json=True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"table_name": name, "why": list(reasons), "why_in_full": list(reasons)} for name, reasons in why.items()
    ]
