"""`recast score`: files of this machine through the very code of parsed_code and linted_code."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from udfs import comments, limits, lint, scoring, syntax


def score(files: Sequence[str], threshold: float, with_messages: bool) -> Iterator[dict[str, Any]]:
    """Yield a verdict per file, in order: `path, parses, lint_score, comment_ratio, adjusted_score, kept, reason`.

    A file that cannot be read has `parses` None and the reason `unreadable`; one that is not UTF-8 is `undecodable`.
    """
    texts = [read(path) for path in files]
    verdicts = [syntax.check(text) if reason is None else None for text, reason in texts]
    parsing = [
        text if verdict and verdict.reason is None else None for (text, _), verdict in zip(texts, verdicts, strict=True)
    ]
    for path, (text, unread), verdict, linted in zip(files, texts, verdicts, lint.lint(parsing), strict=True):
        row: dict[str, Any] = {
            "path": path,
            "parses": None,
            "lint_score": None,
            "comment_ratio": None,
            "adjusted_score": None,
        }
        if verdict is None:
            row |= {"kept": False, "reason": unread}
        elif verdict.reason:
            row |= {
                "parses": False,
                "comment_ratio": None if verdict.reason in limits.REASONS else comments.measure(text).comment_ratio,
                "kept": False,
                "reason": verdict.reason,
            }
        else:
            adjusted, reason = scoring.decide_lint(linted, threshold)
            row |= {"parses": True, "lint_score": linted.score, "comment_ratio": linted.comment_ratio}
            row |= {"adjusted_score": adjusted, "kept": reason is None, "reason": reason}
        if with_messages:
            row["messages"] = [vars(message) for message in linted.messages]
            if verdict and verdict.reason:
                row["detail"], row["line"] = verdict.detail, verdict.line
        yield row


def read(path: str) -> tuple[str, str | None]:
    """Return a file's text, and why there is none."""
    try:
        return Path(path).read_bytes().decode(), None
    except OSError:
        return "", "unreadable"
    except UnicodeDecodeError:
        return "", "undecodable"
