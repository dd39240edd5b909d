"""Locations as paths and URIs, and the file systems that they name."""

from pathlib import Path

import pytest

from recast.storage import place


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_local_places_may_hold_spaces_and_odd_characters(tmp_path: Path, prefix: str) -> None:
    where = tmp_path / "a b:c" / "j=1"
    folder = place(f"{prefix}{where}")
    assert folder.path == str(where)


def test_java_style_and_percent_encoded_file_uris_are_local_paths() -> None:
    assert place("file:/a/b%20c").path == "/a/b c"
    assert place("file:///a/b").path == "/a/b"
