"""Counts the tokens of published texts."""

from functools import cache
from typing import TYPE_CHECKING

from recast.inference.tokenizer import model_folder
from recast.schemas.published import ESTIMATED_BYTES_PER_TOKEN, Tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ESTIMATED = f"estimated: {ESTIMATED_BYTES_PER_TOKEN} bytes a token"


@cache
def load(tokenizer: str, revision: str) -> "Tokenizer":
    """Return the tokenizer of a model folder or hub name; a worker loads each once."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(model_folder(tokenizer, revision) / "tokenizer.json"))


def count(texts: list[str], tokenizer: str, revision: str) -> list[Tokens]:
    """Return the number of tokens of each text, without special tokens; an estimate where `tokenizer` is empty.

    A text that the tokenizer fails at has None.
    """
    if not tokenizer:
        return [Tokens(-(-len(text.encode()) // ESTIMATED_BYTES_PER_TOKEN)) for text in texts]
    loaded = load(tokenizer, revision)
    try:
        return [Tokens(len(each.ids)) for each in loaded.encode_batch_fast(texts, add_special_tokens=False)]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # also a panic of the library in Rust, which is no Exception
        if len(texts) == 1:
            return [Tokens(None)]
        return [counted for text in texts for counted in count([text], tokenizer, revision)]
