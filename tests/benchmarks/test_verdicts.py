"""The labelled answers, judged: no page whose answer was changed is kept."""

import pytest

from benchmarks import hostile_answers, verdict_code, verdict_pages, verdicts

PAGES = verdict_pages.pages()


def wrong(pages):
    words = {None: None, True: "kept", False: "rejected"}
    return [
        (words[each], page.form, page.source_tail, page.answer_tail)
        for page, each in zip(pages, verdicts.judged_pages(pages), strict=True)
        if each is not None
    ]


def test_every_fiftieth_labelled_page_gets_its_right_verdict():
    assert wrong(PAGES[::50]) == []


@pytest.mark.slow
def test_all_labelled_pages_get_their_right_verdicts():
    assert wrong(PAGES) == []


def test_there_are_many_pages_of_either_label_and_of_every_form():
    assert len(PAGES) >= 1_500
    assert len(verdict_pages.FORMS) >= 50
    for form in verdict_pages.FORMS:
        reasons = {page.reason for page in PAGES if page.form == form}
        assert reasons == {None, "answer_changed"}, form


def test_the_pages_are_the_same_in_every_run():
    assert verdict_pages.pages() == PAGES


def test_labelled_programs_are_many_and_have_both_labels():
    cases = verdict_code.cases()
    assert len(cases) >= 400
    assert sum(not case.reasons for case in cases) >= 200
    assert sum(bool(case.reasons) for case in cases) >= 150


def test_a_wrong_verdict_on_code_is_noticed():
    good = next(case for case in verdict_code.cases() if case.kind == "block_alone")
    bad = good._replace(reasons=frozenset({"refused"}))
    assert verdicts.judged_code([good, bad]) == [None, "false_keep"]


def test_a_wrong_verdict_on_a_page_is_noticed():
    page = next(page for page in PAGES if page.form == "whole_number" and page.reason is None)
    assert verdicts.judged_pages([page, page._replace(reason="answer_changed")]) == [None, True]


@pytest.mark.slow
def test_the_bare_reference_judges_the_sentences_that_hold_the_answers():
    pages = [page for page in PAGES if page.form == "fraction"][:3]
    assert verdicts.by_math_verify([page._replace(answer_tail=page.source_tail) for page in pages]) == [True] * 3


@pytest.mark.slow
def test_no_hostile_text_takes_a_reader_of_pages_more_than_a_second():
    texts = hostile_answers.texts()
    assert all(len(text) <= 130_000 for text in texts.values())
    found = verdicts.hostile()
    assert found["raised"] == 0
    assert found["longest_seconds_per_100kb"] < 4  # 0.4 alone; other work on the machine slows it
