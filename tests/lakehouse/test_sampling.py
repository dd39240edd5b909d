"""A sample is drawn by the hashes of identities: always the same documents, each whole."""

from typing import TYPE_CHECKING

import pytest

from recast.lakehouse.sampling import sampled

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.spark
def test_a_sample_is_the_same_documents_whatever_their_order_and_holds_every_smaller_one(spark: "SparkSession") -> None:
    rows = [(f"doc-{number % 1000}", number) for number in range(2000)]

    def drawn(documents: int, order: int = 1, parts: int = 3) -> list[str]:
        frame = spark.createDataFrame(rows[::order], "doc_id string, number int").repartition(parts)
        return sorted(row["doc_id"] for row in sampled(frame, documents).collect())

    ten = drawn(10)
    assert len(ten) == 20 and len(set(ten)) == 10, "a document comes with all of its rows"
    assert drawn(10, order=-1, parts=7) == ten
    assert set(ten) < set(drawn(50))
    assert len(drawn(0)) == len(drawn(5000)) == 2000
    nothing = sampled(spark.createDataFrame([], "doc_id string"), 5)
    assert nothing.count() == 0
