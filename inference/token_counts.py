"""Counts the tokens of published texts."""

from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa

from recast.inference.tokenizer import ESTIMATED_BYTES_PER_TOKEN, model_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from tokenizers import Tokenizer

ESTIMATED = f"estimated: {ESTIMATED_BYTES_PER_TOKEN} bytes a token"


@cache
def load(tokenizer: str, revision: str) -> "Tokenizer":
    """Return the tokenizer of a model folder or hub name; a worker loads each once."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(model_folder(tokenizer, revision) / "tokenizer.json"))


def count(texts: list[str], tokenizer: str, revision: str) -> list[int | None]:
    """Return the number of tokens of each text, without special tokens; an estimate where `tokenizer` is empty.

    A text that the tokenizer fails at has None.
    """
    if not tokenizer:
        return [-(-len(text.encode()) // ESTIMATED_BYTES_PER_TOKEN) for text in texts]
    loaded = load(tokenizer, revision)
    try:
        return [len(each.ids) for each in loaded.encode_batch_fast(texts, add_special_tokens=False)]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # also a panic of the library in Rust, which is no Exception
        if len(texts) == 1:
            return [None]
        return [counted for text in texts for counted in count([text], tokenizer, revision)]


def count_batches(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, tokenizer: str, revision: str
) -> Iterator[pa.RecordBatch]:
    """Add `token_count` to batches that hold `text`."""
    for batch in batches:
        counted = pa.array(count(batch["text"].to_pylist(), tokenizer, revision), pa.int64())
        yield pa.RecordBatch.from_arrays([*batch.columns, counted], schema=schema)


def add_token_count(rows: "DataFrame", tokenizer: str, revision: str) -> "DataFrame":
    """Return `rows`, which hold no null `text`, with `token_count`."""
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.sql.types import LongType, StructType

    schema = StructType(list(rows.schema.fields)).add("token_count", LongType())
    counted = partial(count_batches, schema=to_arrow_schema(schema), tokenizer=tokenizer, revision=revision)
    return rows.mapInArrow(counted, schema)
