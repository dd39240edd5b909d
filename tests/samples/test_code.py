"""The code lane's sample: the dataset's schema, what the sample promises, and each defect at its file."""

import gzip
import hashlib
import importlib.metadata
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recast.udfs.child import guard
from recast.udfs.contents import blobs
from recast.udfs.python import scoring, syntax
from recast.udfs.python.linter import lint
from recast.udfs.settings import Settings as Thresholds
from samples import code
from samples.code import SampleError
from samples.sources import COPIES, DEFECTS, OWN, PACKAGES, Package
from tests.samples.conftest import files, manifest

# The types of the-stack-v2-train-smol-ids, written out once more so that a slip in samples/code.py shows.
REPOSITORY_TYPES = {
    "repo_name": "string",
    "repo_url": "string",
    "snapshot_id": "string",
    "revision_id": "string",
    "directory_id": "string",
    "branch_name": "string",
    "visit_date": "timestamp[ns]",
    "revision_date": "timestamp[ns]",
    "committer_date": "timestamp[ns]",
    "github_id": "int64",
    "star_events_count": "int64",
    "fork_events_count": "int64",
    "gha_license_id": "string",
    "gha_created_at": "timestamp[ns]",
    "gha_updated_at": "timestamp[ns]",
    "gha_pushed_at": "timestamp[ns]",
    "gha_language": "string",
    "files": "list",
    "num_files": "int64",
}
FILE_TYPES = {
    "blob_id": "string",
    "path": "string",
    "content_id": "string",
    "language": "string",
    "length_bytes": "int64",
    "detected_licenses": "list",
    "license_type": "string",
    "src_encoding": "string",
    "is_vendor": "bool",
    "is_generated": "bool",
    "alphanum_fraction": "float",
    "alpha_fraction": "float",
    "num_lines": "int32",
    "avg_line_length": "float",
    "max_line_length": "int32",
}


def types(fields: pa.Schema | pa.StructType) -> dict[str, str]:
    return {field.name: "list" if pa.types.is_list(field.type) else str(field.type) for field in fields}


def test_every_parquet_file_has_the_columns_and_types_of_the_dataset(subset: Path) -> None:
    paths = sorted((subset / "code" / "data").glob("*.parquet"))
    assert len(paths) >= 3
    for path in paths:
        schema = pq.read_schema(path)
        assert types(schema) == REPOSITORY_TYPES
        assert types(schema.field("files").type.value_type) == FILE_TYPES
        assert schema.field("files").type.value_type.field("detected_licenses").type.value_type == pa.string()


@pytest.mark.slow
def test_the_full_set_holds_what_was_promised(full: Path) -> None:
    python = [file for file in files(full) if file["language"] == "Python"]
    packages = {package.repo_name for package in PACKAGES}
    assert len(python) >= 300
    assert len({file["repo_name"] for file in python} & packages) >= 10
    assert len({name for file in python for name in file["detected_licenses"]}) >= 5
    assert {file["license_type"] for file in python} == {"permissive", "no_license"}
    assert len({file["src_encoding"] for file in python}) >= 6
    assert any(file["is_vendor"] for file in python)
    assert any(file["is_generated"] for file in python)


@pytest.mark.slow
def test_the_small_set_is_part_of_the_full_set(small: Path, full: Path) -> None:
    assert {(file["repo_name"], file["path"], file["blob_id"]) for file in files(small)} <= {
        (file["repo_name"], file["path"], file["blob_id"]) for file in files(full)
    }


def test_the_small_set_is_small_and_holds_both_kinds_of_sources(small: Path) -> None:
    entries = files(small)
    assert 50 <= len(entries) <= 90
    assert len({file["repo_name"] for file in entries} & {package.repo_name for package in PACKAGES}) >= 10


def test_contents_are_gzip_objects_named_by_the_git_hash_of_their_bytes(subset: Path) -> None:
    broken = {
        blob
        for name in ("content_missing", "not_gzip", "gzip_cut_off", "wrong_content")
        for blob in manifest(subset)["code"]["defects"][name]
    }
    for file in files(subset):
        if file["blob_id"] not in broken:
            data = gzip.decompress((subset / "code" / "content" / file["blob_id"]).read_bytes())
            assert hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == file["blob_id"]
            assert len(data) == file["length_bytes"]


def test_every_content_object_belongs_to_a_listed_file(subset: Path) -> None:
    stored = {path.name for path in (subset / "code" / "content").iterdir()}
    missing = set(manifest(subset)["code"]["defects"]["content_missing"])
    assert stored == {file["blob_id"] for file in files(subset)} - missing


@pytest.mark.slow
def test_each_defect_is_there_and_explained(small: Path, full: Path) -> None:
    assert set(manifest(full)["code"]["defects"]) == set(DEFECTS)
    assert set(manifest(small)["code"]["defects"]) == set(DEFECTS) - {"slow_lint"}
    assert all(manifest(full)["code"]["defects"].values())


# What the first two stages make of a defect: the status of reading it, then the reason of the syntax stage.
READING = {
    "content_missing": "content_missing",
    "not_gzip": "not_gzip",
    "gzip_cut_off": "cut_off",
    "huge": "too_large",
    "unknown_encoding": "unknown_encoding",
    "undecodable": "undecodable",
    "wrong_content": "wrong_content",
}
SYNTAX = {
    "null_byte": "null_bytes",
    "byte_order_mark": "byte_order_mark",
    "empty": "empty",
    "python2": "python2",
    "newer_python": "newer_python",
    "syntax_error": "syntax_error",
    "tabs": "tabs",
    "indentation": "indentation",
    "unterminated": "unterminated",
    "merge_conflict": "merge_conflict",
    "template": "template",
    "console_session": "interactive",
    "too_deep": "too_deep",
    "long_line": "line_too_long",
    "many_lines": "too_many_lines",
    "too_large": "too_large",
}


def read(folder: Path, file: dict) -> blobs.Content:
    path = folder / "code" / "content" / file["blob_id"]
    return (
        blobs.unpack(path.read_bytes(), file["blob_id"], [file["src_encoding"]])
        if path.exists()
        else blobs.Content(None, "content_missing")
    )


def text_of(folder: Path, file: dict) -> str | None:
    text = read(folder, file).text
    return None if text is None else text.decode()


def test_a_defective_content_is_refused_for_its_own_reason(small: Path) -> None:
    by_blob = {file["blob_id"]: file for file in files(small)}
    for defect, status in READING.items():
        for blob in manifest(small)["code"]["defects"][defect]:
            assert (defect, read(small, by_blob[blob]).fetch_status) == (defect, status)


def test_a_text_that_does_not_parse_is_refused_for_its_own_reason(small: Path) -> None:
    by_blob = {file["blob_id"]: file for file in files(small)}
    for defect, reason in SYNTAX.items():
        for blob in manifest(small)["code"]["defects"][defect]:
            text = text_of(small, by_blob[blob])
            assert text is not None
            assert (defect, syntax.check(text).syntax_reason) == (defect, reason)


def test_every_reason_that_a_file_can_have_shows_in_the_small_set(small: Path) -> None:
    """A null text never reaches the syntax stage, no encoding holds lone surrogates, the manifest knows files by their
    blob_id, and a folder does not fail as a store does."""
    from recast.schemas import raw_code

    not_of_files = {"forbidden", "throttled", "store_error", "timeout", "taken_down"}
    assert set(READING.values()) == set(raw_code.FETCH_FAILURES) - {"bad_blob_id", *not_of_files}
    assert set(SYNTAX.values()) == set(syntax.REASONS) - {"missing", "not_unicode", *guard.REASONS}


@pytest.mark.parametrize("name", ["small", pytest.param("full", marks=pytest.mark.slow)])
def test_a_file_without_a_defect_of_its_own_is_readable_and_parses(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    defects = manifest(folder)["code"]["defects"]
    expected = {blob for name in (*READING, *SYNTAX) for blob in defects.get(name, [])}
    for file in files(folder):
        if file["language"] == "Python" and file["blob_id"] not in expected:
            text = text_of(folder, file)
            assert text is not None, file["path"]
            assert syntax.check(text).syntax_reason is None, file["path"]


def test_the_files_for_a_small_model_are_short() -> None:
    for package in PACKAGES:
        for path in package.short:
            if not path.endswith("_pb2.py"):
                assert (
                    len(Path(str(importlib.metadata.distribution(package.distribution).locate_file(path))).read_text())
                    <= 1_100
                ), path


def test_the_same_text_is_stored_under_two_blobs(small: Path) -> None:
    same = set(manifest(small)["code"]["defects"]["same_text"])
    texts = {file["blob_id"]: text_of(small, file) for file in files(small) if file["blob_id"] in same}
    assert len(texts) == 2
    assert len(set(texts.values())) == 1


def test_the_same_blob_is_listed_by_two_repositories_under_two_licences(small: Path) -> None:
    for blob in manifest(small)["code"]["defects"]["same_blob"]:
        found = [file for file in files(small) if file["blob_id"] == blob]
        assert len({file["repo_name"] for file in found}) == 2
        assert {file["license_type"] for file in found} == {"permissive", "no_license"}


def test_some_files_are_in_other_languages_and_some_repositories_say_another_language(subset: Path) -> None:
    tables = [pq.read_table(path) for path in (subset / "code" / "data").glob("*.parquet")]
    rows = [row for table in tables for row in table.to_pylist()]
    assert {"Markdown", "JavaScript", "Shell", "Python"} <= {file["language"] for row in rows for file in row["files"]}
    assert any(row["gha_language"] != "Python" and any(f["language"] == "Python" for f in row["files"]) for row in rows)
    assert any(row["files"] == [] for row in rows)


def test_licences_agree_with_what_the_packages_declare() -> None:
    for package in PACKAGES:
        metadata = importlib.metadata.metadata(package.distribution)
        expression = metadata.get("License-Expression")
        if expression:
            declared = expression.replace(" OR ", " AND ").split(" AND ")
            assert sorted(declared) == sorted(package.licenses), package.distribution


def test_repositories_are_named_once() -> None:
    names = [package.repo_name for package in PACKAGES] + [name for name, _, _ in OWN] + [COPIES]
    assert len(names) == len(set(names))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(code, "PACKAGES", (Package("no-such-package-anywhere", "a/b", ("MIT",), short=("x.py",)),))
    with pytest.raises(SampleError, match="no-such-package-anywhere, which is not installed"):
        code.build(tmp_path / "code", "small")


def test_a_file_that_another_version_no_longer_holds_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(code, "PACKAGES", (Package("rich", "a/b", ("MIT",), short=("rich/gone.py",)),))
    with pytest.raises(SampleError, match=r"rich .* holds no rich/gone.py"):
        code.build(tmp_path / "code", "small")


def test_no_time_is_written_into_the_objects(small: Path) -> None:
    for path in (small / "code" / "content").iterdir():
        packed = path.read_bytes()
        if packed[:2] == b"\x1f\x8b":
            assert packed[4:8] == b"\0\0\0\0"


def test_the_huge_object_is_small_until_it_is_unpacked(small: Path) -> None:
    (blob,) = manifest(small)["code"]["defects"]["huge"]
    packed = (small / "code" / "content" / blob).read_bytes()
    assert len(packed) < 20_000
    assert len(zlib.decompress(packed, wbits=31)) > blobs.MAX_TEXT_BYTES


# What the lint stage makes of a defect.
LINT = {
    "comments_only": "no_score",
    "docstring_only": "no_score",
    "skip_file": "no_score",
    "foreign_cookie": "no_score",
    "silenced": "blanket_pragma",
    "comment_heavy": "low_score",
    "low_score": "low_score",
}


@pytest.mark.slow
def test_about_twenty_short_files_pass_lint_and_each_lint_defect_is_refused_for_its_own_reason(small: Path) -> None:
    by_blob = {file["blob_id"]: file for file in files(small) if file["language"] == "Python"}
    texts = {blob: text_of(small, file) for blob, file in by_blob.items()}
    parsing = {
        blob: text for blob, text in texts.items() if text is not None and syntax.check(text).syntax_reason is None
    }
    reasons = {
        blob: scoring.decide_lint(result, Thresholds().lint_threshold)[1]
        for blob, result in zip(parsing, lint.lint(parsing.values()), strict=True)
    }
    for defect, reason in LINT.items():
        for blob in manifest(small)["code"]["defects"][defect]:
            assert (defect, reasons[blob]) == (defect, reason)
    not_taken = {file["blob_id"] for file in files(small) if file["license_type"] != "permissive"}
    kept = [len(parsing[blob]) for blob, reason in reasons.items() if reason is None and blob not in not_taken]
    assert 16 <= sum(length <= 1_100 for length in kept) <= 24
    assert sum(length > 1_100 for length in kept) == 1
    assert sum(reason == "low_score" for reason in reasons.values()) >= 8
