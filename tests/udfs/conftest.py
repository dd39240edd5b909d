"""What tests of rows share."""

import pytest

from recast.udfs.child import guard


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run guarded functions in the test's own process, so that its clock counts their time."""
    monkeypatch.setattr(guard, "inside", True)
