"""The math lane's sample: the dataset's schema, what the sample promises, and each defect at its row."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from samples import math
from tests.samples.conftest import manifest, pages

# The types of finemath-4plus, written out once more so that a slip in samples/math.py shows.
TYPES = {
    "url": "string",
    "fetch_time": "int64",
    "content_mime_type": "string",
    "warc_filename": "string",
    "warc_record_offset": "int32",
    "warc_record_length": "int32",
    "text": "string",
    "token_count": "int32",
    "char_count": "int32",
    "metadata": "string",
    "score": "double",
    "int_score": "int64",
    "crawl": "string",
    "snapshot_type": "string",
    "language": "string",
    "language_score": "double",
}


def test_the_file_has_the_columns_and_types_of_the_dataset(subset: Path) -> None:
    for path in (subset / "math").glob("*.parquet"):
        assert {field.name: str(field.type) for field in pq.read_schema(path)} == TYPES


@pytest.mark.slow
def test_the_full_set_holds_at_least_forty_pages_of_ours_and_the_small_one_eight(small: Path, full: Path) -> None:
    assert len(pages(full)) == len(math.page_names()) + len(math.defective())
    assert len(math.page_names()) >= 40
    assert len(pages(small)) == 8 + len(math.defective())


def test_pages_are_as_long_as_short_web_pages_are() -> None:
    for name in math.page_names():
        assert 600 <= len(math.read_page(name).text or "") <= 2_500, name


@pytest.mark.slow
def test_no_page_is_under_a_name_that_somebody_owns(full: Path) -> None:
    """RFC 2606 reserves these names for examples."""
    for page in pages(full):
        assert page["url"].split("/")[2].endswith((".example.org", ".example.com", ".example.net"))


def test_addresses_are_distinct(subset: Path) -> None:
    urls = [page["url"] for page in pages(subset)]
    assert len(urls) == len(set(urls))


def test_each_defect_is_at_its_row(subset: Path) -> None:
    texts = {page["url"]: page["text"] for page in pages(subset)}
    defects = manifest(subset)["math"]["defects"]
    assert set(defects) == set(math.DEFECTS)
    assert [texts[url] for url in defects["empty_text"]] == [""]
    assert [texts[url] for url in defects["null_text"]] == [None]
    assert [len(texts[url]) > 30_000 for url in defects["too_long"]] == [True]
    (copy,) = defects["same_text"]
    assert [url for url, text in texts.items() if text == texts[copy]] == sorted([copy, copy.removesuffix("?print=1")])


def test_counts_scores_and_metadata_are_those_of_a_page_of_the_dataset(subset: Path) -> None:
    for page in pages(subset):
        assert page["char_count"] == len(page["text"] or "")
        assert page["int_score"] == round(page["score"]) >= 4
        assert 0 < page["language_score"] <= 1
        assert page["crawl"] in page["warc_filename"]
        assert json.loads(page["metadata"])["found_math"] == ("\\" in (page["text"] or ""))
