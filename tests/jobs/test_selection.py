"""Settings that say what is taken: mistakes are one line, and a fingerprint holds what is asked for and nothing else."""

from dataclasses import replace

import pytest

from recast.jobs.selection import facts, words
from recast.jobs.settings import Settings, resolve
from recast.settings import UserError

MISTAKES = {
    "a licence word": (
        {"code_license_types": "permissive,mit"},
        "code_license_types names 'mit'; give any of permissive",
    ),
    "a kind": ({"code_dropped": "vendor"}, "code_dropped names 'vendor'; give any of vendored, generated, guessed"),
    "an SPDX name": ({"code_licenses_denied": "GPL 3"}, "code_licenses_denied names 'GPL 3', which is no SPDX name"),
    "a domain": (
        {"math_domains_denied": "https://a.org/x"},
        "names 'https://a.org/x', which is no domain; give domains",
    ),
    "a share": ({"code_alphanum_floor": 25.0}, "code_alphanum_floor is 25.0; give a share between 0 and 1"),
    "a sample": ({"sample": -1}, "sample is -1; give 0 or more"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_value_that_means_nothing_is_refused_in_one_line(case: str) -> None:
    given, said = MISTAKES[case]
    with pytest.raises(UserError) as refused:
        Settings(**given)  # type: ignore[arg-type]
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_list_is_words_with_commas_between() -> None:
    assert words(" b, a ,,b") == ["a", "b"]
    assert words("") == words("any") == []


def test_a_fingerprint_holds_what_is_asked_for_in_an_order_of_its_own() -> None:
    usual = Settings()
    assert facts(usual, "code") == {"languages": ["Python"], "license_types": ["permissive"], "max_bytes": 4 * 1024**2}
    assert facts(usual, "math") == {}
    one, other = (
        replace(usual, code_license_types=value) for value in ("permissive,no_license", "no_license, permissive")
    )
    assert facts(one, "code") == facts(other, "code") != facts(usual, "code")
    asked = replace(usual, math_min_score=4, sample=10, code_max_lines=5)
    assert facts(asked, "math") == {"min_score": 4, "sample": 10}


def test_a_sample_has_a_lake_of_its_own() -> None:
    assert resolve(lake="/data/lake", sample=10).lake == "/data/lake-sample-10"
    assert resolve(lake="/data/lake").lake == "/data/lake"
