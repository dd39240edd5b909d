"""The platform's settings: where a lake may lie."""

import pytest

from recast.jobs import settings as jobs
from recast.lakehouse.settings import Settings, is_local
from recast.settings import UserError


@pytest.mark.parametrize("uri", ["file:///data/a lake", "file:/data/a lake", "/data/a lake"])
def test_a_file_uri_is_the_path_that_it_names(uri: str) -> None:
    assert Settings(lake=uri).lake == "/data/a lake"
    assert is_local(Settings(lake=uri).lake)


def test_a_location_elsewhere_stays_as_it_is() -> None:
    assert Settings(lake="s3a://bucket/lake/").lake == "s3a://bucket/lake"
    assert not is_local("s3a://bucket/lake")
    assert Settings(lake="s3a://bucket/{odd}").lake == "s3a://bucket/{odd}"


@pytest.mark.parametrize("name", ["lake", "code_source", "math_source"])
@pytest.mark.parametrize("character", "[]{}*?^|\\%")
def test_a_path_that_a_reader_would_take_otherwise_is_refused(name: str, character: str) -> None:
    with pytest.raises(UserError, match=rf"^{name} is /data/a.b; give a path without "):
        jobs.Settings(**{name: f"/data/a{character}b"})
