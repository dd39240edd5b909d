"""What tests of odd endpoints share: a key, and what became of it."""

import json
import urllib.request
from typing import Any

from recast.inference.server.spec import EngineSpec
from tests.inference.feeding import batch, run, spec_for

KEY = "sk-proj-" + "aB3_" * 10


VARIABLE = "A_TESTS_API_KEY"


def reached(spec: EngineSpec) -> list[str]:
    """What was asked of a fake endpoint, and with which key."""
    with urllib.request.urlopen(f"{spec.endpoint.removesuffix('/v1')}/facts") as response:
        asked: list[str] = json.load(response)["reached"]
        return asked


def one(spec: EngineSpec, text: str, **fields: Any) -> dict[str, Any]:
    """Return the row of one text."""
    return run(spec_for(spec, error_budget=1.0, **fields), batch(text))[0]


def spelled() -> list[str]:
    """The key as the fake endpoint's odd replies quote it."""
    import base64

    return [
        KEY,
        "".join(f"%{ord(c):02X}" for c in KEY),
        base64.b64encode(KEY.encode()).decode()[:-4],
        KEY.encode().hex(),
    ]


def assert_no_key(value: object) -> None:
    assert not any(form in str(value) for form in spelled())
