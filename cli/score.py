"""`recast score`: rates local files by the code that fills parsed_code and linted_code."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from recast.cli.output import json_line
from recast.printable import printable
from recast.udfs.python import comments, limits, scoring, syntax
from recast.udfs.python.linter import lint


def score(files: Sequence[str], threshold: float, with_messages: bool) -> Iterator[dict[str, Any]]:
    """Yield a verdict per file, in order: `path, parses, lint_score, comment_ratio, adjusted_score, kept, reason`.

    A file that cannot be read has `parses` None and the reason `unreadable`; one that is not UTF-8 is `undecodable`.
    """
    texts = [read(path) for path in files]
    verdicts = [syntax.check(text) if reason is None else None for text, reason in texts]
    parsing = [
        text if verdict and verdict.syntax_reason is None else None
        for (text, _), verdict in zip(texts, verdicts, strict=True)
    ]
    for path, (text, unread), verdict, linted in zip(files, texts, verdicts, lint.lint(parsing), strict=True):
        row: dict[str, Any] = {
            "path": path,
            "parses": None,
            "lint_score": None,
            "comment_ratio": None,
            "adjusted_score": None,
            "kept": False,
            "reason": unread,
        }
        detail = linted.detail
        line: int | None = None
        if verdict and verdict.syntax_reason:
            detail, line = verdict.syntax_detail, verdict.syntax_line
            row |= {"parses": False, "reason": verdict.syntax_reason}
            if verdict.syntax_reason not in limits.REASONS:
                row["comment_ratio"] = comments.ratio(text)
        elif verdict:
            adjusted, reason = scoring.decide_lint(linted, threshold)
            row |= {"parses": True, "lint_score": linted.lint_score, "comment_ratio": linted.comment_ratio}
            row |= {"adjusted_score": adjusted, "kept": reason is None, "reason": reason}
        if with_messages:
            row["messages"] = [message._asdict() for message in linted.messages]
            if detail:
                row |= {"detail": detail, "line": line}
        yield row


def read(path: str) -> tuple[str, str | None]:
    """Return a file's text, and why there is none."""
    try:
        return Path(path).read_bytes().decode(), None
    except OSError:
        return "", "unreadable"
    except UnicodeDecodeError:
        return "", "undecodable"


def print_scores(scored: Iterable[dict[str, Any]], as_json: bool) -> list[str]:
    """Print verdicts as they come, as JSON lines or as text; return the paths that could not be read."""
    unread = []
    for row in scored:
        row["path"] = click.format_filename(row["path"])  # a name need not be UTF-8
        if row["reason"] == "unreadable":
            unread.append(row["path"])
        if as_json:
            print(json_line(row), flush=True)
            continue
        number = "    -" if row["adjusted_score"] is None else f"{row['adjusted_score']:5.2f}"
        verdict = "kept" if row["kept"] else row["reason"]
        lines = map(printable, (f"{number}  {verdict:16}  {row['path']}", *explained(row)))
        print(*lines, sep="\n       ", flush=True)
    return unread


def explained(row: dict[str, Any]) -> Iterator[str]:
    """Yield what is behind a verdict that was asked for with messages: the score's two parts, and pylint or the parser."""
    if "messages" not in row:
        return
    if row["adjusted_score"] is not None:
        yield f"lint {row['lint_score']:.2f}, comments -{row['lint_score'] - row['adjusted_score']:.2f}"
    for message in row["messages"]:
        yield f"{message['line']}:{message['column']} {message['msg_id']} {message['symbol']}"
    if row.get("detail"):
        yield f"line {row['line']}: {row['detail']}" if row["line"] else row["detail"]


def why_unread(paths: Sequence[str]) -> str:
    """Return one line about paths that could not be read."""
    folders = [path for path in paths if Path(path).is_dir()]
    files = [path for path in paths if path not in folders]
    missing = [f"could not read {', '.join(files)}"] if files else []
    return "; ".join(missing + [f"{folder} is a folder: name files" for folder in folders])
