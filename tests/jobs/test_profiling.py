"""Profiles of sources: what would be taken and dropped is what a refresh takes and drops."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from recast.jobs import profiling
from recast.jobs.profiling import Profile, profiles
from recast.jobs.settings import Settings
from recast.lakehouse.datasets import version_of
from recast.schemas import raw_math
from recast.settings import UserError
from recast.udfs.contents.blobs import MAX_TEXT_BYTES
from tests.jobs.lanes import PAGES, File, write_pages, write_repositories
from tests.jobs.test_ingest_forms import FORMS
from tests.sources import REPOSITORIES, table_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

GOOD = File("a.py", b"x = 1\n")
FILES = {
    "a/a": [GOOD, File("b.py", b"y = 2\n", license_type="no_license", detected_licenses=None)],
    "b/b": [
        GOOD,
        File("c.js", b"z", language="JavaScript"),
        File("d.py", b"1", named="../../etc/passwd"),
        File("e.py", b"2", named="1" * 40 + "\n"),
        File("f.py", b"w = 4\n", src_encoding="kl\\ingon's"),
        File("g.py", b"v = 5\n", src_encoding="ISO_8859-1", license_type=None),
    ],
    "c/c": [],
}


def of(settings: Settings) -> Profile:
    (found,) = profiles(settings)
    return found


def without_place(profile: Profile) -> dict[str, object]:
    return {name: value for name, value in vars(profile).items() if name in ("counts", "takes", "drops", "fetch")}


def test_a_source_of_code_is_counted_file_by_file(tmp_path: Path) -> None:
    write_repositories(tmp_path, FILES)
    large = table_of(
        [{"repo_name": "l/l", "files": [GOOD.listed() | {"blob_id": "5" * 40, "length_bytes": MAX_TEXT_BYTES + 1}]}],
        REPOSITORIES,
    )
    pq.write_table(large, tmp_path / "data" / "large.parquet")
    found = of(Settings(code_source=str(tmp_path / "data")))
    assert (found.fault, found.form, found.layout) == ("", "Parquet files", "a row per repository")
    assert (found.files, found.rows, found.repositories) == (2, 4, 4)
    assert found.bytes == sum(file.stat().st_size for file in (tmp_path / "data").iterdir())
    assert found.counts == {
        "language": {"Python": 8, "JavaScript": 1},
        "license_type": {"permissive": 6, "": 1, "no_license": 1},
        "detected_license": {"MIT": 7},
    }
    assert found.takes == 2
    reasons = {"bad_blob_id": 2, "above_max_bytes": 1, "license_not_taken": 2}
    assert found.drops == {"other_language": 1, "repeated": 1, **reasons}
    assert found.takes + sum(found.drops.values()) == 9
    assert (found.fetch.requests, found.fetch.bytes) == (2, 2 * 6)


TAKEN: dict[str, tuple[dict[str, Any], int, dict[str, int]]] = {
    "any licence": ({"code_license_types": ""}, 4, {"other_language": 1, "bad_blob_id": 2}),
    "none and permissive": (
        {"code_license_types": "permissive,no_license"},
        4,
        {"other_language": 1, "bad_blob_id": 2},
    ),
    "detected licences": (
        {"code_license_types": "", "code_licenses_allowed": "mit"},
        3,
        {"other_language": 1, "license_not_allowed": 1, "bad_blob_id": 2},
    ),
    "a licence that is denied": (
        {"code_license_types": "", "code_licenses_denied": "MIT"},
        1,
        {"other_language": 1, "license_denied": 5},
    ),
    "paths": (
        {"code_license_types": "", "code_paths_allowed": "?.py", "code_paths_denied": "af.py,d.py,/g.py"},
        3,
        {"other_language": 1, "path_not_taken": 2, "bad_blob_id": 1},
    ),
    "lengths": ({"code_min_bytes": 7}, 0, {"other_language": 1, "license_not_taken": 2, "below_min_bytes": 4}),
    "any language": ({"code_languages": ""}, 3, {"license_not_taken": 2, "bad_blob_id": 2}),
    "another language": ({"code_languages": "JavaScript,Rust"}, 1, {"other_language": 7}),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_the_settings_drop_is_counted_by_reason_before_anything_is_fetched(tmp_path: Path, case: str) -> None:
    changes, takes, drops = TAKEN[case]
    write_repositories(tmp_path, FILES)
    found = of(Settings(code_source=str(tmp_path / "data"), **changes))
    assert found.takes == found.fetch.requests == takes
    repeated = found.drops.pop("repeated")
    assert found.takes + repeated + sum(found.drops.values()) == 8
    assert {reason: count for reason, count in found.drops.items() if count} == drops


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_counted_the_same(tmp_path: Path, form: str) -> None:
    FORMS["a row per file, in shards that differ"](tmp_path / "flat")
    (tmp_path / "other").mkdir()
    FORMS[form](tmp_path / "other")
    found = of(Settings(code_source=str(tmp_path / "other")))
    assert found.fault == ""
    assert without_place(found) == without_place(of(Settings(code_source=str(tmp_path / "flat"))))
    assert (found.takes, found.drops["license_not_taken"]) == (1, 2)


PAGES_OF_EACH_KIND = [
    ("good", "1 + 1 = 2"),
    ("empty", ""),
    ("nothing", None),
    ("white", " \u3000\x0b\x85\n"),
    ("null", "a\0b"),
    ("large", "\u00e9" * (raw_math.MAX_TEXT_BYTES // 2 + 1)),
    ("good", "1 + 1 = 3"),
]


def test_a_source_of_pages_is_counted_by_what_speaks_against_them(tmp_path: Path) -> None:
    write_pages(tmp_path, PAGES_OF_EACH_KIND)
    found = of(Settings(math_source=str(tmp_path)))
    assert (found.fault, found.layout, found.rows) == ("", "a row per page", 7)
    assert found.takes == 1
    assert found.drops == {"repeated": 1, "no_text": 3, "null_bytes": 1, "too_large": 1}
    assert found.counts == {"language": {"en": 7}, "license_type": {"ODC-By-1.0": 7}}
    assert found.fetch.requests == 0


def test_rows_that_were_deleted_from_a_table_do_not_count(tmp_path: Path) -> None:
    rows = [{"url": url, "text": "1", "warc_record_offset": 1, "language": "en"} for url in "abc"]
    write_deltalake(str(tmp_path / "table"), table_of(rows, PAGES))
    DeltaTable(str(tmp_path / "table")).delete("url = 'c'")
    found = of(Settings(math_source=str(tmp_path / "table")))
    assert (found.form, found.rows, found.takes, found.version[:2]) == ("Delta table", 2, 2, "1@")


def test_a_fault_of_one_source_hides_no_other(tmp_path: Path) -> None:
    write_pages(tmp_path / "math", [("u", "1")])
    write_repositories(tmp_path / "code", FILES)
    (tmp_path / "code" / "data" / "b.parquet").touch()
    settings = Settings(code_source=str(tmp_path / "code" / "data"), math_source=str(tmp_path / "math"))
    code, math = profiles(settings)
    assert code.fault == f"{tmp_path}/code/data/b.parquet is not a Parquet file, or not all of one: it is empty"
    assert (math.fault, math.takes) == ("", 1)
    swapped = profiles(Settings(code_source=settings.math_source, math_source=settings.math_source))
    assert "has neither a column 'files'" in swapped[0].fault


def test_a_source_whose_store_fails_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pages(tmp_path / "math", [("u", "1")])
    write_repositories(tmp_path / "code", FILES)
    settings = Settings(code_source=str(tmp_path / "code" / "data"), math_source=str(tmp_path / "math"))
    listed = version_of

    def failing(where: str, given: str) -> str:
        if where == settings.code_source:
            raise OSError(5, "Input/output error")
        return listed(where, given)

    monkeypatch.setattr(profiling, "version_of", failing)
    code, math = profiles(settings)
    assert code.fault == f"{settings.code_source} cannot be read: [Errno 5] Input/output error"
    assert (math.fault, math.takes) == ("", 1)


def test_a_source_that_is_not_set_is_named() -> None:
    with pytest.raises(UserError, match="code_source is not set"):
        profiles(Settings())
    with pytest.raises(UserError, match="math_source is not set"):
        profiles(Settings(code_source="/nowhere"), ["math"])


@pytest.mark.spark
def test_spark_counts_a_table_of_a_catalogue_as_duckdb_counts_its_files(spark: "SparkSession", tmp_path: Path) -> None:
    write_repositories(tmp_path / "code", FILES)
    write_pages(tmp_path / "math", PAGES_OF_EACH_KIND)
    places = {"code_source": str(tmp_path / "code" / "data"), "math_source": str(tmp_path / "math")}
    expected = profiles(Settings(**places))
    names = {setting: f"default.profiled_{setting}" for setting in places}
    try:
        for setting, name in names.items():
            spark.sql(f"CREATE TABLE {name} USING parquet LOCATION '{places[setting]}'")
        found = profiles(Settings(lake=str(tmp_path / "lake"), source_version="mine", **names))
        assert [each.fault for each in found] == ["", ""]
        assert [each.form for each in found] == ["table of a catalogue"] * 2
        assert [without_place(each) for each in found] == [without_place(each) for each in expected]
    finally:
        for name in names.values():
            spark.sql(f"DROP TABLE IF EXISTS {name}")


@pytest.mark.spark
def test_texts_that_are_no_unicode_are_counted_by_spark(spark: "SparkSession", tmp_path: Path) -> None:
    write_pages(tmp_path / "math", [*PAGES_OF_EACH_KIND, ("latin", "caf\udce9")])
    found = of(Settings(lake=str(tmp_path / "lake"), math_source=str(tmp_path / "math")))
    assert (found.fault, found.rows, found.takes) == ("", 8, 2)
