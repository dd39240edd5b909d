"""Prints docs/tables.md: every table, column, reason and expectation. ``python -m schemas > docs/tables.md``."""

from schemas import TABLES
from schemas.table import Table


def page() -> str:
    """Return the whole page as Markdown."""
    head = "# Tables\n\nGenerated from `schemas/` by `python -m schemas > docs/tables.md`; a test holds the two together.\n"
    return "\n".join([head, *(section(table) for table in TABLES.values())])


def section(table: Table) -> str:
    """Return one table's part of the page."""
    lines = [f"## {table.name}", "", f"{table.about[0].upper()}{table.about[1:]}. Key: {', '.join(f'`{key}`' for key in table.key)}.", ""]
    lines += ["| column | type | what it holds |", "|---|---|---|"]
    lines += [f"| {column.name} | `{column.type}` | {column.comment} |" for column in table.columns]
    if table.reasons:
        lines += ["", "Reasons, a closed list:", "", "| reason | meaning |", "|---|---|"]
        lines += [f"| `{reason}` | {meaning} |" for reason, meaning in table.reasons.items()]
    if table.expectations:
        lines += ["", "Expectations:", ""]
        lines += [f"- {each.severity}: {describe(each.type, each.arguments)}" for each in table.expectations]
    return "\n".join(lines) + "\n"


def describe(type_: str, arguments: dict[str, object]) -> str:
    """Return an expectation in words."""
    if "description" in arguments:
        return str(arguments["description"])
    return f"`{type_}` {', '.join(f'{key} = {value}' for key, value in arguments.items())}"


if __name__ == "__main__":
    print(page(), end="")
