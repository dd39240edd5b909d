"""Both subsets, built once for all tests of samples/."""

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from samples.__main__ import MANIFEST, build


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small subset."""
    return build(tmp_path_factory.mktemp("small"), "small")[0]


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the full subset."""
    return build(tmp_path_factory.mktemp("full"), "full")[0]


@pytest.fixture(params=["small", pytest.param("full", marks=pytest.mark.slow)])
def subset(request: pytest.FixtureRequest) -> Path:
    """Either folder: a test that takes this runs for both."""
    return request.getfixturevalue(request.param)


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a built folder."""
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def files(folder: Path) -> list[dict[str, Any]]:
    """Every file entry of the code lane, its repository's name and licence beside it."""
    repositories = ds.dataset(folder / "code" / "data").to_table().to_pylist()
    return [{"repo_name": row["repo_name"], **file} for row in repositories for file in row["files"]]


def pages(folder: Path) -> list[dict[str, Any]]:
    """Every row of the math lane."""
    return ds.dataset(folder / "math").to_table().to_pylist()
