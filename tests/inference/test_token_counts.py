"""Tokens of published texts: counted by the model's tokenizer, text by text where it fails."""

from pathlib import Path

import pytest

from recast.inference import token_counts as counting


class Fragile:
    """A tokenizer that fails at some texts."""

    def encode_batch_fast(self, texts: list[str], add_special_tokens: bool) -> list[object]:
        if any("fail" in text for text in texts):
            raise ValueError("cannot normalize")
        return [type("Encoding", (), {"ids": text.split()}) for text in texts]


def test_tokens_are_those_of_the_models_tokenizer(model_folder: Path) -> None:
    assert counting.count(["a b c", "", "a"], str(model_folder), "") == [(3,), (0,), (1,)]


def test_without_a_tokenizer_tokens_are_estimated_from_bytes() -> None:
    assert counting.count(["", "a", "é" * 30], "", "") == [(0,), (1,), (20,)]


def test_a_text_that_the_tokenizer_fails_at_has_no_count_and_its_neighbours_have_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "load", lambda *_: Fragile())
    assert counting.count(["a b", "fail", "c"], "model", "") == [(2,), (None,), (1,)]
