"""Fingerprints: equal facts have equal names, whatever their order; other facts have others."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lakehouse import ledger
from schemas.operations import RUNS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
FACTS = st.dictionaries(st.text(), VALUES, max_size=5)


@given(FACTS, st.randoms())
def test_the_order_of_facts_does_not_matter(facts: dict, random) -> None:  # type: ignore[no-untyped-def, type-arg]
    shuffled = list(facts.items())
    random.shuffle(shuffled)
    assert ledger.canonical(dict(shuffled)) == ledger.canonical(facts)
    assert ledger.fingerprint(dict(shuffled)) == ledger.fingerprint(facts)


@given(FACTS)
def test_the_canonical_form_says_all_there_is(facts: dict) -> None:  # type: ignore[type-arg]
    assert json.loads(ledger.canonical(facts)) == facts


@given(FACTS, FACTS)
def test_other_facts_have_another_fingerprint(one: dict, other: dict) -> None:  # type: ignore[type-arg]
    same = ledger.canonical(one) == ledger.canonical(other)
    assert (ledger.fingerprint(one) == ledger.fingerprint(other)) == same


def test_a_fingerprint_is_sixteen_hexadecimal_digits() -> None:
    assert ledger.fingerprint({"rule": 1}) == "91c26342579995a3"


def test_a_fact_that_is_no_json_is_refused_rather_than_named_by_its_address() -> None:
    try:
        ledger.fingerprint({"rule": object()})
    except TypeError:
        return
    raise AssertionError("an object's repr holds its address, which changes from run to run")


def test_a_run_that_begins_has_nothing_but_known_columns_and_counts_from_zero() -> None:
    run = ledger.begin("run", "linted_code", "3", {"rule": 1}, {"rule": 2})
    assert set(run) <= set(RUNS.column_names)
    assert run["status"] == "running"
    assert all(run[name] == 0 for name in (*ledger.COUNTS, *ledger.TOKENS))
    assert run["measured_by"] != run["decided_by"]
