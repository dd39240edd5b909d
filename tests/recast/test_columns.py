"""Plain functions as functions of Arrow batches."""

from functools import partial

import pyarrow as pa

from recast.columns import batch_of
from recast.schemas.linted_code import Lint, Message
from recast.schemas.published import Tokens
from recast.schemas.rewrites import CodeReading
from recast.udfs.python.reading import read_code_answer
from recast.udfs.text.reading import INPUTS
from tests.udfs.readings import ANSWER, CODE, SOURCE


def test_a_batch_of_rows_becomes_an_array_of_records() -> None:
    columns = [[SOURCE, None], [ANSWER, None], ["answered", "too_long"], ["stop", None]]
    assert len(columns) == len(INPUTS)
    read = batch_of(partial(map, read_code_answer), CodeReading)(*(pa.array(values, pa.string()) for values in columns))
    assert [(row["text"], row["reason"], row["dependences"]) for row in read.to_pylist()] == [
        (CODE, None, 0),
        (None, "too_long", None),
    ]


def test_records_within_records_and_lists_of_texts_become_structs_and_lists() -> None:
    result = Lint("scored", 9.5, messages=(Message("bad-name", "C0103", 3, 0),), pragmas=("disable=C",))
    (found,) = batch_of(partial(map, lambda text: result), Lint)(pa.array(["x"])).to_pylist()
    assert found["messages"] == [result.messages[0]._asdict()]
    assert found == {**result._asdict(), "messages": found["messages"], "pragmas": ["disable=C"]}


def test_a_record_of_one_field_and_an_empty_batch_are_columns_too() -> None:
    count = batch_of(lambda texts: [Tokens(len(text)) for text in texts], Tokens)
    assert count(pa.array(["ab", ""])).to_pylist() == [{"token_count": 2}, {"token_count": 0}]
    assert count(pa.array([], pa.string())).to_pylist() == []
