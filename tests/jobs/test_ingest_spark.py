"""Sources that strangers filled: bytes that are no UTF-8, names without end, texts too large, rows that contradict.

Strings stand here with surrogate escapes for the bytes that are no UTF-8; `read` reads as every DuckDB reader does.
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F
from rich.console import Console

from recast.jobs import ingest_code
from recast.jobs.catalogue import chosen
from recast.jobs.ingest_code import encoding_of, license_rank
from recast.jobs.running import refresh_stages
from recast.jobs.settings import Settings
from recast.lakehouse import incoming, query, work
from recast.lakehouse.progress import Meter
from recast.schemas import raw_code, raw_math
from recast.udfs.contents.blobs import MAX_TEXT_BYTES
from recast.udfs.encodings import NAMES, normalised
from tests.jobs.lanes import File, Lane, Model, program, write_pages, write_repositories

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

BAD = "caf\udce9"  # Latin-1
MENDED = "caf\ufffd"
ODD = {
    BAD: MENDED,
    "\udcff\udcfe": "\ufffd\ufffd",
    "cut \udce2\udc82": "cut \ufffd",
    "surrogate \udced\udca0\udcbd.": "surrogate \ufffd\ufffd\ufffd.",
    "a\x1b]0;owned\x07\x00\x7f\x9b": "a\ufffd]0;owned\ufffd\ufffd\ufffd\ufffd",
    "a\r\nb\u2028c": "a\ufffd\ufffdb\ufffdc",
    "evil\u202egnp.py \u2066\u200f": "evil\ufffdgnp.py \ufffd\ufffd",
    "n" * 5000: "n" * 4096,
    "\U0001f600" * 5000: "\U0001f600" * 4096,
    "\udcff" * 20_000: "\ufffd" * 4096,
    "": "",
    "na\u00efve \u65e5\u672c.py": "na\u00efve \u65e5\u672c.py",
}


@pytest.fixture
def lane(spark: "SparkSession", tmp_path: Path) -> Lane:
    """A lane without a source or a model yet."""
    places = {"math_source": "math", "code_source": "code/data", "code_contents": "code/content", "lake": "lake"}
    settings = Settings(**{name: str(tmp_path / place) for name, place in places.items()}, code_license_types="")
    return Lane(settings, Model())


def pages(lane: Lane, *rows: dict[str, Any]) -> dict[str, Any]:
    """Write a math source of these rows and build raw_math of it; return its row of `runs`."""
    write_pages(Path(lane.settings.math_source), [], [{"url": "u", "text": "1 + 1 = 2"} | row for row in rows])
    return lane.refresh("raw_math").get("raw_math", {})


def test_names_are_mended_and_cut(lane: Lane) -> None:
    columns = ("url", "warc_filename", "crawl", "language")
    cases = [(name, odd, mended) for name in columns for odd, mended in ODD.items()]
    pages(lane, *({name: odd, "warc_record_offset": place} for place, (name, odd, _) in enumerate(cases)))
    rows = lane.rows("raw_math", f"{', '.join(columns)}, warc_record_offset, reason").values()
    found = {row["warc_record_offset"]: row for row in rows}
    usual = {"url": "u", "warc_filename": "w", "crawl": "c", "language": "en", "reason": None}
    for place, (name, _, mended) in enumerate(cases):
        row = found[place]
        assert {column: row[column] for column in usual} == usual | {name: mended}


LARGEST = raw_math.MAX_TEXT_BYTES


TEXTS: list[tuple[str | None, str | None]] = [
    (BAD, "not_unicode"),
    ("half a pair \udced\udca0\udcbd", "not_unicode"),
    ("overlong \udcc0\udcaf", "not_unicode"),
    ("cut \udcf0\udc9f", "not_unicode"),
    ("x" * LARGEST, None),
    ("x" * (LARGEST + 1), "too_large"),
    ("\u00e9" * (LARGEST // 2) + "x", "too_large"),
    ("\udcff" * (LARGEST + 1), "too_large"),
    ("\u00e9 \U0001f600 \ufffd", None),
    ("a\x00b", "null_bytes"),
    ("\u3000\n", "no_text"),
    (None, "no_text"),
]


def test_a_text_that_cannot_be_taken_is_a_row_with_its_reason(lane: Lane) -> None:
    run = pages(lane, *({"url": str(place), "text": text} for place, (text, _) in enumerate(TEXTS)))
    rows = {row["url"]: row for row in lane.rows("raw_math", "url, reason, text, read_status").values()}
    for place, (text, reason) in enumerate(TEXTS):
        row, taken = rows[str(place)], reason not in raw_math.NOT_READ
        assert (row["reason"], row["text"]) == (reason, text if taken else None)
        assert row["read_status"] == (incoming.READ if taken else reason)
    assert run["rows_in"] == len(TEXTS)


def test_rows_that_join_to_one_string_are_different_documents(lane: Lane) -> None:
    alike = [
        {"url": "https://v/p", "warc_filename": "w", "warc_record_offset": 1},
        {"url": "https://v/p w 1", "warc_filename": None, "warc_record_offset": None},
        {"url": "https://v/p", "warc_filename": "w 1", "warc_record_offset": None},
        {"url": "https://v/p w", "warc_filename": None, "warc_record_offset": 1},
        {"url": None, "warc_filename": "https://v/p w", "warc_record_offset": 1},
        {"url": "https://v/p", "warc_filename": None, "warc_record_offset": None},
        {"url": None, "warc_filename": "https://v/p", "warc_record_offset": None},
        {"url": 'https://v/p","warc_filename":"w', "warc_filename": None, "warc_record_offset": 1},
        {"url": "", "warc_filename": "https://v/p", "warc_record_offset": None},
        # Alike once they are cleaned.
        *({"url": url, "warc_filename": None} for url in ("caf\udce9", "caf\udce8", "caf\ufffd")),
        *({"url": url, "warc_filename": None} for url in ("a\x07", "a\x08", "x" * 5000 + "1", "x" * 5000 + "2")),
    ]
    run = pages(lane, *alike)
    assert (run["rows_in"], run["rows_conflicting"]) == (len(alike), 0)


def test_rows_of_one_identity_that_differ_are_counted_and_the_stored_one_stays(lane: Lane) -> None:
    first = {"url": "twice", "text": "the first text"}
    assert pages(lane, first, first, {"url": "once"})["rows_conflicting"] == 0, "the same row again is no other"
    others = [{"url": "twice", "text": f"another text {number}"} for number in range(20)]
    also = {"url": "once", "score": 3.0}
    run = pages(lane, *others, first, also, {"url": "once"})
    assert run["rows_conflicting"] == 21 + 2
    found = {row["url"]: row for row in lane.rows("raw_math", "url, text, score").values()}
    assert (found["twice"]["text"], found["once"]["score"]) == ("the first text", 4.5)
    assert run["rows_in"] == 0, "nothing changed"
    run = pages(lane, *others)
    assert (run["rows_in"], run["rows_removed"], run["rows_conflicting"]) == (1, 1, 20)


def test_a_conflict_is_one_line_of_warning(lane: Lane) -> None:
    write_pages(Path(lane.settings.math_source), [("u", "one text"), ("u", "another text"), ("v", "a third")])
    shown = io.StringIO()
    refresh_stages(lane.settings, chosen(["raw_math"]), False, Meter(Console(file=shown)))
    (line,) = [line for line in shown.getvalue().splitlines() if "warning" in line]
    assert "2 source rows of raw_math share their identity with another that differs" in line


def blobs(lane: Lane, repositories: dict[str, list[File]]) -> dict[str, dict[str, Any]]:
    """Write a code source and build raw_code of it; return its rows by doc_id."""
    write_repositories(Path(lane.settings.code_source).parent, repositories)
    lane.refresh("raw_code")
    return lane.rows("raw_code")


def test_names_of_code_are_mended_and_cut_in_every_column(lane: Lane) -> None:
    good = File("good.py", b"x = 1\n")
    odd = [
        File(name, f"x = '{place}'\n".encode(), license_type=name, detected_licenses=(name, "MIT"))
        for place, name in enumerate(ODD)
    ]
    rows = blobs(lane, {BAD: [good, *odd]})
    assert {row["repo_name"] for row in rows.values()} == {MENDED}
    assert {row["reason"] for row in rows.values()} == {None}
    for file, mended in zip(odd, ODD.values(), strict=True):
        row = rows[file.blob_id]
        assert row["path"] == row["occurrences"][0]["path"] == mended
        assert row["license_type"] == row["occurrences"][0]["license_type"] or mended == ""
        assert row["license_type"] == (mended or "no_license")
        assert row["detected_licenses"] == sorted({mended, "MIT"})


def test_an_odd_name_of_a_blob_a_language_or_an_encoding_is_that_rows_own_trouble(lane: Lane) -> None:
    good = File("good.py", b"x = 1\n")
    rows = blobs(
        lane,
        {
            "a/b": [
                good,
                File("language.py", b"x = 2\n", language=BAD),
                File("encoding.py", b"x = 3\n", src_encoding=BAD),
                File("no_encoding.py", b"x = 4\n", src_encoding=None),
                *(
                    File("id.py", b"x = 5\n", named=name)
                    for name in (BAD, "n" * 5000, "1" * 40 + "\n", "../../etc/passwd")
                ),
            ]
        },
    )
    assert {row["path"]: (row["reason"], row["src_encoding"]) for row in rows.values()} == {
        "good.py": (None, "utf-8"),
        "encoding.py": ("unknown_encoding", MENDED),
        "no_encoding.py": (None, "utf-8"),
        "id.py": ("bad_blob_id", "utf-8"),
    }
    assert len(rows) == 3 + 4
    assert max(len(doc_id) for doc_id in rows) == incoming.MAX_NAME_CHARS


def test_licences_of_a_file_are_at_most_a_hundred(lane: Lane) -> None:
    many = tuple(f"L{number:03}" for number in range(5000))
    (row,) = blobs(lane, {"a/b": [File("a.py", b"x = 1\n", detected_licenses=many)]}).values()
    assert row["detected_licenses"] == list(many[: incoming.MAX_NAMES])


LATIN = "x = 'M\u00fcller'\n".encode("latin-1")
UTF8 = "x = 'M\u00fcller!'\n".encode()
SAID = {
    "one odd encoding": (UTF8, ["UTF-8", "UTF-8", "AAA"], "utf-8", UTF8.decode()),
    "as many odd ones": (UTF8, ["AAA", "UTF-8"], "utf-8", UTF8.decode()),
    "more odd ones, all different": (UTF8, ["AAA", "BBB", "punycode", "UTF-8"], "AAA", UTF8.decode()),
    "wrong one of equally many": (UTF8, ["UTF-16-LE", "UTF-8"], "utf-8", UTF8.decode()),
    "wrong one, which is no text": (UTF8, ["utf-32", "utf-32", "UTF-8"], "utf-32", UTF8.decode()),
    "spellings are counted together": (LATIN, ["cp1253"] * 2 + ["Latin-1", "ISO_8859-1", "l1"], "latin-1", "x = 'M\u00fcller'\n"),
    "nothing is UTF-8": (UTF8, [None, "", "cp1252"], "utf-8", UTF8.decode()),
    "the next one where the first fails": (LATIN, [None, "UTF-8", "Latin-1"], "utf-8", LATIN.decode("latin-1")),
    "by name, of equally many": (LATIN, ["latin-1", "cp1253"], "cp1253", LATIN.decode("cp1253")),
    "none is known": (UTF8, ["BBB", "AAA"], "AAA", None),
}  # fmt: skip


def test_no_repository_decides_alone_how_a_blob_is_decoded(lane: Lane) -> None:
    repositories: dict[str, list[File]] = {f"r/{number}": [] for number in range(6)}
    ids = {}
    for case, (beginning, said, _, _) in SAID.items():
        content = beginning + f"# {case}\n".encode()
        for number, encoding in enumerate(said):
            file = File(f"{case}.py", content, src_encoding=encoding)
            # One repository may list it as often as it likes.
            again = [replace(file, path=f"{place}/{case}.py") for place in range(9 if number == 2 else 1)]
            repositories[f"r/{number}"] += again
            ids[case] = file.blob_id
    rows = blobs(lane, repositories)
    for case, (_, _, first, text) in SAID.items():
        row = rows[ids[case]]
        expected = None if text is None else f"{text}# {case}\n"
        assert (case, row["src_encoding"], row["text"]) == (case, first, expected)
        assert row["reason"] == ("unknown_encoding" if text is None else None)


LICENSES: list[tuple[list[str | None], str]] = [
    (["permissive"], "permissive"),
    (["permissive", "permissive"], "permissive"),
    (["permissive", None], "no_license"),
    (["permissive", ""], "no_license"),
    (["permissive", "proprietary"], "proprietary"),
    (["permissive", "weak_copyleft", "copyleft"], "copyleft"),
    (["copyleft", "no_license"], "no_license"),
    (["permissive", "zzz"], "zzz"),
    (["proprietary", "zzz"], "zzz"),
    (["permissive", "Permissive"], "Permissive"),
]


def test_a_licence_is_the_least_permissive_word(spark: "SparkSession") -> None:
    rows = [(case, word) for case, (said, _) in enumerate(LICENSES) for word in said]
    ranked = spark.createDataFrame(rows, "case int, word string").groupBy("case").agg(F.min(license_rank("word")))
    found = {row[0]: row[1]["license_type"] for row in ranked.collect()}
    assert [found[case] for case in range(len(LICENSES))] == [least for _, least in LICENSES]


def test_spark_and_python_know_an_encoding_by_the_same_names(spark: "SparkSession") -> None:
    spelled = sorted({form(name) for name in NAMES for form in (str, str.upper, lambda name: name.replace("_", " - "))})
    spelled += ["klingon", "-", "é", "utf-7", "\0", "UTF\u20118"]
    rows = spark.createDataFrame([(name,) for name in spelled], "name string")
    found = {
        row["name"]: row["encoding"] for row in rows.select("name", encoding_of("name").alias("encoding")).collect()
    }
    assert found == {name: NAMES.get(normalised(name), "") for name in spelled}


def test_objects_are_read_again_only_if_they_are_to_be_decoded_otherwise(lane: Lane) -> None:
    here, there = File("a.py", b"x = 1\n"), File("b.py", b"x = 1\n", src_encoding="latin-1")
    blobs(lane, {"a/a": [here]})
    blobs(lane, {"a/a": [here], "b/b": [replace(here, path="b.py")]})
    (run,) = query.rows(lane.settings, "SELECT rows_in, rows_measured FROM runs ORDER BY started_at DESC LIMIT 1")
    assert run == {"rows_in": 1, "rows_measured": 0}
    blobs(lane, {"a/a": [here], "b/b": [there]})
    (run,) = query.rows(lane.settings, "SELECT rows_in, rows_measured FROM runs ORDER BY started_at DESC LIMIT 1")
    assert run == {"rows_in": 1, "rows_measured": 1}


@pytest.fixture
def grouped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The blobs whose files runs group, as they come."""
    found: list[str] = []
    group = ingest_code.grouped

    def noted(settings: Settings, version: str, files: "DataFrame") -> "DataFrame":
        found.extend(sorted(row["doc_id"] for row in files.select("doc_id").distinct().collect()))
        return group(settings, version, files)

    monkeypatch.setattr(ingest_code, "grouped", noted)
    return found


def test_a_run_groups_the_files_of_those_blobs_alone_of_which_the_listing_says_something_else(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grouped: list[str]
) -> None:
    monkeypatch.setattr(work, "MOST_CHANGED", 100)  # in a small lake every change would be a large share
    same, twice, gone, moved, licensed = (File(f"{word}.py", program(word)) for word in ("ab", "cd", "ef", "gh", "ij"))
    before = {"a/a": [same, twice, gone, moved, licensed], "b/b": [same, twice]}
    after = {
        "a/a": [same, twice, replace(licensed, license_type="no_license"), File("new.py", program("kl"))],
        "b/b": [same, twice, twice, replace(moved, path="elsewhere.py")],
        "c/c": [same],
    }
    blobs(lane, before)
    grouped.clear()
    blobs(lane, after)
    new = File("new.py", program("kl"))
    assert grouped == sorted(file.blob_id for file in (same, twice, moved, licensed, new))

    clean = Lane(replace(lane.settings, lake=str(tmp_path / "clean")), lane.model)
    clean.refresh("raw_code")
    by_run = {"doc_id", "run_id", "written_at", "fetch_tried_at", "source_version"}
    columns = ", ".join(sorted({*raw_code.TABLE.column_names} - by_run))
    assert lane.rows("raw_code", columns) == clean.rows("raw_code", columns)
    grouped.clear()
    assert lane.refresh("raw_code") == {}
    blobs(lane, {**after, "c/c": []})
    assert grouped == [same.blob_id]
    other = File("other.py", program("mn"))
    write_repositories(Path(lane.settings.code_source).parent, {"d/d": [other]})
    lane.refresh("raw_code", removal_limit=1.0)
    assert list(lane.rows("raw_code")) == [other.blob_id]


def test_where_much_of_a_listing_has_changed_all_files_are_grouped(lane: Lane, grouped: list[str]) -> None:
    one, two = File("one.py", program("one")), File("two.py", program("two"))
    blobs(lane, {"a/a": [one, two]})
    grouped.clear()
    blobs(lane, {"a/a": [one, replace(two, path="three.py")]})
    assert grouped == sorted([one.blob_id, two.blob_id])
    assert lane.rows("raw_code")[two.blob_id]["path"] == "three.py"


def test_rows_that_an_older_recast_made_are_written_once_more_and_nothing_is_fetched(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_CHANGED", 100)
    one, two = File("one.py", program("one")), File("two.py", program("two"))
    blobs(lane, {"a/a": [one, two]})
    before = {doc_id: row["listing_hash"] for doc_id, row in lane.rows("raw_code").items()}
    DeltaTable(f"{lane.settings.lake}/raw_code").update({"listing_hash": "NULL", "carried_hash": "0"})
    assert lane.refresh("raw_code")["raw_code"]["rows_measured"] == 0
    assert {doc_id: row["listing_hash"] for doc_id, row in lane.rows("raw_code").items()} == before


def test_a_null_that_moves_to_another_column_is_another_listing(lane: Lane, spark: "SparkSession") -> None:
    row = dict.fromkeys(ingest_code.PER_FILE) | {"blob_id": "a" * 40, "language": "Python", "length_bytes": 1}
    rows = [
        row | {"is_vendor": True},
        row | {"is_generated": True},
        row | {"repo_name": "x"},
        row | {"revision_id": "x"},
    ]
    found = set()
    for number, each in enumerate(rows):
        folder = Path(lane.settings.code_source) / str(number)
        folder.mkdir(parents=True)
        types = {"int64": pa.int64(), "bool": pa.bool_(), "list<string>": pa.list_(pa.string()), "string": pa.string()}
        schema = pa.schema([(name, types[type_]) for name, type_ in ingest_code.PER_FILE.items()])
        pq.write_table(pa.Table.from_pylist([each], schema), folder / "files.parquet")
        settings = replace(lane.settings, code_source=str(folder))
        ((_, hash_),) = ingest_code.hashes(spark, settings, "v", None).collect()
        ((same,),) = ingest_code.blobs(spark, settings, "v", None).select("listing_hash").collect()
        assert same == hash_
        found.add(hash_)
    assert len(found) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size"), [(1, 300_000_000), (60, 20_000_000)])
def test_pages_beyond_all_measure_are_rows_too_large(lane: Lane, count: int, size: int) -> None:
    line = "The quick brown fox. 1 + 1 = 2.\n"
    text = line * (size // len(line))
    # Texts that differ, or they would be one in the file's dictionary.
    run = pages(lane, *({"url": str(number), "text": f"{number} {text}"} for number in range(count)), {"url": "usual"})
    assert (run["rows_in"], run["rows_kept"], run["reasons"]) == (count + 1, 1, {"too_large": count})


@pytest.mark.slow
def test_130_blobs_of_the_largest_size_pass_the_stage(lane: Lane) -> None:
    large = [File(f"{number}.py", f"# {number}".encode().ljust(MAX_TEXT_BYTES)) for number in range(130)]
    rows = blobs(lane, {"a/b": large})
    assert [rows[file.blob_id]["reason"] for file in large] == [None] * 130
    assert all(len(rows[file.blob_id]["text"]) == MAX_TEXT_BYTES for file in large)
