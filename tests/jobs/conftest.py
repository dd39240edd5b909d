"""What the tests of the lanes share: a model behind an endpoint, and lanes built once and copied."""

from collections.abc import Iterator

import pytest

from tests.jobs.lanes import Model, serve


@pytest.fixture(scope="session")
def served_model() -> Iterator[tuple[Model, str]]:
    """A model that answers well, and its base URL."""
    model = Model()
    url, end = serve(model)
    yield model, url
    end()
