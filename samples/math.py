"""The math lane's input: a Parquet file in the schema of FineMath-4+, holding web pages that we wrote.

A page of `math_pages/` is a file: its address, an empty line, and the text as a crawler's extractor would leave it,
with menus, dates, footers, missing figures and terse solutions. The mathematics is right:
tests/samples/test_math_pages.py computes it again.
"""

import json
import re
from datetime import UTC, datetime
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from samples.code import number
from samples.sources import Subset

# The dataset's card, HuggingFaceTB/finemath, configuration finemath-4plus: columns and types as published.
SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("fetch_time", pa.int64()),
        ("content_mime_type", pa.string()),
        ("warc_filename", pa.string()),
        ("warc_record_offset", pa.int32()),
        ("warc_record_length", pa.int32()),
        ("text", pa.string()),
        ("token_count", pa.int32()),
        ("char_count", pa.int32()),
        ("metadata", pa.string()),
        ("score", pa.float64()),
        ("int_score", pa.int64()),
        ("crawl", pa.string()),
        ("snapshot_type", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
    ]
)

DEFECTS = {
    "empty_text": "the extractor found nothing",
    "null_text": "no text at all",
    "same_text": "one text under two addresses",
    "too_long": "a table of 35,000 characters, more than a small model's context",
}

# Short pages. Of fifteen that a 135M model was tried on, the first three are those that it copied nearly whole; with the
# others it mostly fails, in different ways: repeating itself, changing nothing, answering something else.
SMALL = (
    "binary_forty_five",
    "regression_by_hand",
    "two_dice_ten",
    "braking_distance_units",
    "garden_quadratic",
    "sine_quadratic",
    "sum_of_logs",
    "three_bells",
)
# Crawls of the years in which the pages pretend to have been written, and the start of each.
CRAWLS = (
    ("CC-MAIN-2018-17", datetime(2018, 4, 19, tzinfo=UTC)),
    ("CC-MAIN-2019-30", datetime(2019, 7, 15, tzinfo=UTC)),
    ("CC-MAIN-2021-31", datetime(2021, 7, 23, tzinfo=UTC)),
    ("CC-MAIN-2023-40", datetime(2023, 9, 21, tzinfo=UTC)),
)
CRAWL_S = 12 * 86_400
LAST_SQUARE = 1_900


class Page(NamedTuple):
    """A page: its address and its text, None where the dataset shall hold a null."""

    url: str
    text: str | None
    defects: tuple[str, ...] = ()


def build(folder: Path, subset: Subset) -> dict[str, Any]:
    """Write the pages as one Parquet file under `folder`.

    Returns:
        Facts for the manifest: `pages` (a count) and `defects`, the addresses by defect.
    """
    folder.mkdir(parents=True)
    pages = sorted([*written(subset), *defective()], key=lambda page: page.url)
    table = pa.Table.from_pylist([row(page) for page in pages], schema=SCHEMA)
    pq.write_table(table, folder / "train-00000-of-00001.parquet", compression="zstd", version="2.6")
    return {
        "pages": len(pages),
        "defects": {name: [page.url for page in pages if name in page.defects] for name in sorted(DEFECTS)},
    }


def written(subset: Subset) -> list[Page]:
    """Return the pages of `math_pages/` that `subset` takes, all of them for the full set."""
    names = SMALL if subset == "small" else page_names()
    return [read_page(name) for name in names]


def page_names() -> list[str]:
    """Return the name of every page of `math_pages/`, sorted."""
    return sorted(file.name.removesuffix(".md") for file in package_files("samples").joinpath("math_pages").iterdir())


def read_page(name: str) -> Page:
    """Return the page of that name."""
    content = package_files("samples").joinpath("math_pages", f"{name}.md").read_text(encoding="utf-8")
    url, text = content.split("\n\n", 1)
    return Page(url, text.rstrip("\n"))


def defective() -> list[Page]:
    """Return the rows that a pipeline must survive; both subsets have them."""
    bells = read_page("three_bells")
    lines = "\n".join(f"{n} squared is {n * n}" for n in range(1, LAST_SQUARE + 1))
    return [
        Page("https://math-archive.example.org/scans/page-17", "", ("empty_text",)),
        Page("https://math-archive.example.org/scans/page-18", None, ("null_text",)),
        bells._replace(url=f"{bells.url}?print=1", defects=("same_text",)),
        Page("https://tables.example.org/squares/all", f"Home | Tables\n\nSquares\n\n{lines}", ("too_long",)),
    ]


def row(page: Page) -> dict[str, Any]:
    """Return the page in the shape of `SCHEMA`; what a crawl would have measured follows from the address."""
    text = page.text or ""
    crawl, start = CRAWLS[number(f"crawl:{page.url}", len(CRAWLS))]
    fetched_s = int(start.timestamp()) + number(f"fetched:{page.url}", CRAWL_S)
    stamp = datetime.fromtimestamp(fetched_s, tz=UTC).strftime("%Y%m%d%H%M%S")
    segment = 1_500_000_000_000 + number(f"segment:{page.url}", 200_000_000_000)
    archive = f"CC-MAIN-{stamp}-{number(f'part:{page.url}', 640):05d}.warc.gz"
    score = 3.5 + number(f"score:{page.url}", 1_500) / 1_000
    return {
        "url": page.url,
        "fetch_time": fetched_s * 1_000_000_000,
        "content_mime_type": "text/html",
        "warc_filename": f"crawl-data/{crawl}/segments/{segment}.{number(page.url, 99)}/warc/{archive}",
        "warc_record_offset": number(f"offset:{page.url}", 1_000_000_000),
        "warc_record_length": 4_000 + len(text) * 5,
        "text": page.text,
        "token_count": len(re.findall(r"\w+|[^\w\s]", text)),
        "char_count": len(text),
        "metadata": json.dumps(extraction(text, page.url)),
        "score": score,
        "int_score": round(score),
        "crawl": crawl,
        "snapshot_type": ("latest", "longest")[number(f"snapshot:{page.url}", 2)],
        "language": "en",
        "language_score": 0.7 + number(f"language:{page.url}", 280) / 1_000,
    }


def extraction(text: str, url: str) -> dict[str, Any]:
    """Return what the extractor notes about formulas it found; a dollar sign without TeX around it is money."""
    formulas = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, re.DOTALL) if "\\" in text else []
    display = sum(formula.startswith("$$") for formula in formulas)
    return {
        "found_math": bool(formulas),
        "script_math_tex": 0,
        "math_annotations": 0,
        "mathml": 0,
        "mathjax_inline_tex": len(formulas) - display,
        "mathjax_display_tex": display,
        "img_math": 0,
        "codecogs_latex": 0,
        "katex": 0,
        "math_score": number(f"math:{url}", 1_000) / 1_000,
    }
