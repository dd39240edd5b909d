"""Builds the requests of every model stage: the engine's specification and the facts of the fingerprint, from settings."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast import prompts
from recast.inference import request, rewrite, usage
from recast.inference.request import RewriteSpec
from recast.inference.server.spec import EngineError, EngineSpec, is_folder_name
from recast.jobs.settings import Settings, tell_endpoints_file
from recast.lakehouse import ledger
from recast.lakehouse.stage import Progress, Usage
from recast.settings import UserError

# Measurements that `--retry` tries again. A text that was too long may fit another endpoint's context, and its control
# tokens may mean nothing to another endpoint. Finding that out costs nothing.
FAILED = "answer_status IN ('request_failed', 'poison', 'too_long', 'control_tokens', 'crashed')"
USAGE = Usage(
    counts=usage.counts,
    require=lambda staged, counted, settings: usage.require_budget(staged, counted, settings.error_budget),
    reports=usage.reports,
    figures=lambda reports, run, settings: usage.figures(reports, run, settings.model, settings.tensor_parallel),
    progress=lambda journals, started_at: Progress(*usage.progress(journals, started_at)),
)


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
        server=settings.server,
    )
    try:
        request.tokenizer_of(spec)
    except EngineError as problem:
        raise UserError(str(problem)) from None
    if spec.endpoint:
        tell_endpoints_file(spec.endpoint)
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
    # The ratio is a fact only where it can cut an answer before max_tokens does.
    by_length = settings.answer_ratio and settings.max_tokens > request.ANSWER_ALLOWANCE
    return {
        "prompt": load_prompt(prompt).fingerprint,
        "model": model_name(settings),
        "model_revision": settings.model_revision,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "repetition_penalty": settings.repetition_penalty,
        "max_tokens": settings.max_tokens,
        **({"answer_ratio": settings.answer_ratio, "answer_allowance": request.ANSWER_ALLOWANCE} if by_length else {}),
    }


def rewrite_spec(settings: Settings, prompt: str) -> RewriteSpec:
    """Return the specification of a model stage, without the journal's place, which the run adds. Raises UserError as
    `engine` and `prompt` do."""
    words = load_prompt(prompt)
    return RewriteSpec(
        engine=engine_spec(settings),
        system=words.system,
        user_template=words.user,
        fingerprint=ledger.fingerprint(facts(settings, prompt)),
        temperature=settings.temperature,
        top_p=settings.top_p,
        repetition_penalty=settings.repetition_penalty,
        max_tokens=settings.max_tokens,
        answer_ratio=settings.answer_ratio,
        window=settings.window,
        error_budget=settings.error_budget,
    )


def ask(rows: DataFrame, settings: Settings, prompt: str, journal: str) -> DataFrame:
    """Add the columns of the model's answer about `source_text`."""
    spec = rewrite_spec(settings, prompt)
    buckets = settings.partitions or rewrite.feeders(rows.sparkSession, spec.engine)
    journaled = replace(spec, journal=journal, journal_buckets=buckets)
    asked = rewrite.ask(rows.withColumn("text", F.col("source_text")), journaled)
    return asked.withColumns(
        {
            "model": F.lit(model_name(settings)),
            "model_revision": F.lit(settings.model_revision),
            "prompt": F.lit(prompt),
        }
    )
