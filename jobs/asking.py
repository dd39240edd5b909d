"""How the model stages ask: one spec and one set of facts from the settings, for whatever prompt."""

import shlex
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import prompts
from lakehouse import ledger
from lakehouse.settings import Settings, UserError
from udfs import asking, rewrite
from udfs.engine import EngineError, EngineSpec, is_folder_name
from udfs.rewrite import RewriteSpec

# Measurements that `--retry` tries again. A text that was too long may fit another context, and costs nothing to count.
FAILED = "answer_status IN ('request_failed', 'poison', 'too_long')"


def engine_spec(settings: Settings) -> EngineSpec:
    """Return the engine that the settings describe.

    Raises:
        UserError: no model is set, or it cannot be served.
    """
    try:
        arguments = shlex.split(settings.engine_args)
    except ValueError as problem:
        raise UserError(f"engine_args is {settings.engine_args!r}: {str(problem).lower()}") from None
    spec = EngineSpec(
        model=settings.require("model"),
        revision=settings.model_revision,
        endpoint=settings.endpoint,
        api_key_variable=settings.api_key_variable if settings.endpoint else "",
        tokenizer=settings.tokenizer,
        max_model_len=settings.max_model_len,
        tensor_parallel=settings.tensor_parallel,
        args=tuple(arguments),
    )
    try:
        asking.tokenizer_of(spec)
    except EngineError as problem:
        raise UserError(str(problem)) from None
    return spec


def model_name(settings: Settings) -> str:
    """Return the model's name as tables record it: a folder's own name, wherever the folder lies."""
    model = settings.require("model")
    in_folder = not settings.endpoint and (is_folder_name(model) or Path(model).is_dir())
    return Path(model).absolute().name if in_folder else model


def load_prompt(name: str) -> prompts.Prompt:
    """Return a prompt version.

    Raises:
        UserError: there is none of that name, or its file breaks the form of prompts.
    """
    try:
        return prompts.load(name)
    except (LookupError, ValueError) as problem:
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
    words, engine = load_prompt(prompt), engine_spec(settings)
    spec = RewriteSpec(
        engine=engine,
        system=words.system,
        user_template=words.user,
        fingerprint=ledger.fingerprint(facts(settings, prompt)),
        temperature=settings.temperature,
        top_p=settings.top_p,
        repetition_penalty=settings.repetition_penalty,
        max_tokens=settings.max_tokens,
        window=settings.window,
        journal=journal,
        journal_buckets=settings.partitions or rewrite.feeders(rows.sparkSession, engine),
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
