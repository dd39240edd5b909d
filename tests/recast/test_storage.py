"""Locations as paths and URIs, and the file systems that they name."""

from pathlib import Path

import pyarrow.fs as pafs
import pytest

from recast.storage import Place, listed, place


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_local_places_may_hold_spaces_and_odd_characters(tmp_path: Path, prefix: str) -> None:
    where = tmp_path / "a b:c" / "j=1"
    folder = place(f"{prefix}{where}")
    assert folder.path == str(where)


def test_java_style_and_percent_encoded_file_uris_are_local_paths() -> None:
    assert place("file:/a/b%20c").path == "/a/b c"
    assert place("file:///a/b").path == "/a/b"


def test_a_folder_that_comes_between_arrows_two_looks_is_listed(tmp_path: Path) -> None:
    class Coming(pafs.LocalFileSystem):
        """Arrow's answer where another task makes the folder after it was not found."""

        looks = 0

        def get_file_info(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
            self.looks += 1
            if self.looks == 1:
                raise FileNotFoundError(2, f"Cannot list directory '{selector.base_dir}'")
            return super().get_file_info(selector)

    (tmp_path / "journal").mkdir()
    assert [each.base_name for each in listed(Place(Coming(), str(tmp_path)))] == ["journal"]
    assert listed(place(str(tmp_path / "nowhere"))) == []
