"""What published_code and published_math share: they count tokens and list every stage that made the row."""

from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.columns import add_columns
from recast.inference import token_counts
from recast.jobs.settings import Settings
from recast.lakehouse.stage import keep
from recast.schemas.published import Tokens


def tokenizer_of(settings: Settings) -> str:
    """Return the tokenizer that counts: the one in the settings, else that of the served model; "" for an endpoint's model."""
    return settings.tokenizer or ("" if settings.endpoint else settings.model)


def measure(rows: DataFrame, settings: Settings, _scratch: str) -> DataFrame:
    """Add the number of tokens."""
    count = partial(token_counts.count, tokenizer=tokenizer_of(settings), revision=settings.model_revision)
    return add_columns(rows, count, Tokens, "text").withColumn("tokenizer", F.lit(tokenizer_name(settings)))


def tokenizer_name(settings: Settings) -> str:
    """Return the tokenizer as rows record it, without the folder it lies in."""
    return tokenizer_of(settings).rstrip("/").rpartition("/")[2] or token_counts.ESTIMATED


def measured_by(settings: Settings) -> dict[str, Any]:
    """Return what changes the count."""
    revision = "" if settings.tokenizer else settings.model_revision
    return {"rule": 1, "tokenizer": tokenizer_name(settings), "revision": revision}


def decide(rows: DataFrame, settings: Settings) -> DataFrame:
    """Keep rows whose text holds at least one token."""
    return keep(rows, F.col("token_count") > 0, otherwise="no_tokens")
