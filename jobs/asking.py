"""How the model stages ask: one spec and one set of facts from the settings, for whatever prompt."""

import shlex
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import prompts
from lakehouse import ledger
from lakehouse.settings import Settings, UserError
from udfs import engine, rewrite
from udfs.engine import EngineError, EngineSpec
from udfs.rewrite import RewriteSpec

FAILED = "answer_status IN ('request_failed', 'poison')"  # measurements that `--retry` tries again


def engine_spec(settings: Settings) -> EngineSpec:
    """Return the engine that the settings describe.

    Raises:
        UserError: no model is set, or it cannot be served.
    """
    spec = EngineSpec(
        model=settings.require("model"),
        revision=settings.model_revision,
        endpoint=settings.endpoint,
        api_key_variable=settings.api_key_variable if settings.endpoint else "",
        tokenizer=settings.tokenizer,
        max_model_len=settings.max_model_len,
        tensor_parallel=settings.tensor_parallel,
        args=tuple(shlex.split(settings.engine_args)),
    )
    try:
        engine.check(spec)
    except EngineError as problem:
        raise UserError(str(problem)) from None
    return spec


def model_name(settings: Settings) -> str:
    """Return the model's name as tables record it: a folder's own name, wherever the folder lies."""
    model = settings.require("model")
    return Path(model).name if not settings.endpoint and engine.is_folder_name(model) else model


def load_prompt(name: str) -> prompts.Prompt:
    """Return a prompt version.

    Raises:
        UserError: there is none of that name.
    """
    try:
        return prompts.load(name)
    except LookupError as problem:
        raise UserError(str(problem.args[0])) from None


def facts(settings: Settings, prompt: str) -> dict[str, Any]:
    """Return what changes an answer by intent. Engine, GPU and host are recorded beside the answer instead."""
    return {
        "prompt": load_prompt(prompt).fingerprint,
        "model": model_name(settings),
        "model_revision": settings.model_revision,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "repetition_penalty": settings.repetition_penalty,
        "max_tokens": settings.max_tokens,
    }


def ask(rows: DataFrame, settings: Settings, prompt: str, journal: str) -> DataFrame:
    """Add the columns of the model's answer about `source_text`."""
    words = load_prompt(prompt)
    spec = RewriteSpec(
        engine=engine_spec(settings),
        system=words.system,
        user_template=words.user,
        fingerprint=ledger.fingerprint(facts(settings, prompt)),
        temperature=settings.temperature,
        top_p=settings.top_p,
        repetition_penalty=settings.repetition_penalty,
        max_tokens=settings.max_tokens,
        window=settings.window,
        journal=journal,
        journal_buckets=settings.partitions or task_slots(rows.sparkSession),
        error_budget=settings.error_budget,
    )
    asked = rewrite.ask(rows.withColumn("text", F.col("source_text")), spec)
    return asked.withColumns(
        {
            "model": F.lit(model_name(settings)),
            "model_revision": F.lit(settings.model_revision),
            "prompt": F.lit(prompt),
        }
    )


def task_slots(spark: SparkSession) -> int:
    """Return how many tasks can feed engines at once: more would leave each with too few requests in flight."""
    return int(spark.sparkContext.defaultParallelism)
