"""Checks the rows that a stage is about to commit with Great Expectations; stores the results as rows and as Data Docs."""

import hashlib
import os
import re
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recast.exits import GATE_FAILED
from recast.lakehouse.settings import Settings, is_local
from recast.schemas.table import Expectation, Table
from recast.storage import place, upload

# Great Expectations must store no row's text: a report would keep personal text after its document was taken down.
RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 0, "exclude_unexpected_values": True}
DATA_DOCS = "data_docs"
SUM = "expect_column_sum_to_be_between"  # what the library calls an expectation that no row meets a condition

Result = dict[str, Any]  # one row of expectation_results


class QualityError(Exception):
    """Staged rows broke a critical expectation; the target is untouched."""

    exit_status = GATE_FAILED


def data_docs(settings: Settings) -> str:
    """Return the folder or URI of a lake's Data Docs."""
    return f"{settings.lake}/{DATA_DOCS}"


def check(
    staged: DataFrame, table: Table, parameters: dict[str, Any], run_id: str, chunk: int, docs: str
) -> list[Result]:
    """Hold `staged` against the table's expectations and return one result row for each.

    The library asks for sums and counts alone, which it takes from Spark in one pass over the rows.

    Args:
        staged: rows about to be committed; best files, since they are scanned.
        table: whose expectations they are.
        parameters: values of ``$PARAMETER``, such as ``rows_in``.
        run_id: run the rows belong to.
        chunk: number of the chunk in its run, from 0.
        docs: folder or URI for Data Docs; empty draws none.
    """
    context = prepared(docs).result()
    gx = library()
    name = f"{table.name}-{run_id}-{chunk}"
    suite = gx.ExpectationSuite(name=table.name, expectations=[build(each) for each in table.expectations])
    suite = context.suites.add_or_update(suite)
    source = context.data_sources.add_spark(name, persist=False)
    batch = source.add_dataframe_asset("staged").add_batch_definition_whole_dataframe("chunk")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    actions = [gx.checkpoint.UpdateDataDocsAction(name="docs", site_names=[DATA_DOCS])] if docs else []
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(name=name, validation_definitions=[definition], actions=actions, result_format=RESULT_FORMAT)
    )
    with warnings.catch_warnings():
        # Great Expectations itself uses deprecated names of Spark. Users cannot change that.
        warnings.simplefilter("ignore")
        outcome = checkpoint.run(
            batch_parameters={"dataframe": with_broken(staged, table)},
            expectation_parameters=parameters,
            run_id=gx.RunIdentifier(run_name=f"{run_id}-{chunk}"),
        )
    # The context would keep the suites of all chunks, and lists all of them whenever one is looked up.
    context.checkpoints.delete(name)
    context.validation_definitions.delete(name)
    context.data_sources.delete(name)
    if docs:
        publish(docs)
    (validation,) = outcome.run_results.values()
    return [result_row(result, run_id, table.name, chunk) for result in validation.results]


def require(results: list[Result]) -> None:
    """Stop the run if a critical expectation failed.

    Raises:
        QualityError: one line that names each such expectation and what was seen.
    """
    broken = [result for result in results if result["severity"] == "critical" and not result["success"]]
    if broken:
        listed = "; ".join(f"{each['expectation']} ({each['observed']})" for each in broken)
        raise QualityError(f"{broken[0]['table_name']}: {listed}")


def build(expectation: Expectation) -> Any:
    """Return the library's object for an expectation."""
    column = {"column": broken_column(expectation)} if expectation.broken else {}
    made = getattr(library().expectations, expectation.type)
    return made(**expectation.arguments, **column, severity=expectation.severity)


def broken_column(expectation: Expectation) -> str:
    """Return the name of the column that is 1 for the rows that break an expectation: Data Docs show it as a heading."""
    first, *_ = re.split("[:,]", expectation.arguments["description"])
    return re.sub(r"\W+", "_", first)


def with_broken(staged: DataFrame, table: Table) -> DataFrame:
    """Return the key of each row, and for each expectation with a condition a column that is 1 where the row breaks it."""
    broken = {
        broken_column(each): F.when(F.expr(each.broken), 1.0).otherwise(0.0)
        for each in table.expectations
        if each.broken
    }
    return staged.select(*table.key, *(column.alias(name) for name, column in broken.items()))


def result_row(result: Any, run_id: str, table_name: str, chunk: int) -> Result:
    """Return the row of expectation_results for one of the library's results."""
    config = result.expectation_config
    found = result.result or {}
    raised = result.exception_info or {}
    # An expectation that raised an error does not end the run: the error is stored as what was observed.
    messages = [raised] if "exception_message" in raised else list(raised.values())
    problem = next(
        (m["exception_message"] for m in messages if isinstance(m, dict) and m.get("raised_exception")), None
    )
    observed = problem or found.get("observed_value")
    if isinstance(observed, float) and observed.is_integer():
        observed = int(observed)
    return {
        "run_id": run_id,
        "table_name": table_name,
        "chunk": chunk,
        "expectation": describe(config),
        "severity": str(getattr(config.severity, "value", config.severity)),
        "success": bool(result.success),
        "unexpected_rows": observed if config.type == SUM and isinstance(observed, int) else None,
        "observed": None if observed is None else str(observed)[:500],
        "checked_at": datetime.now(UTC),
    }


def describe(config: Any) -> str:
    """Return an expectation in words: its own description, or its type and arguments."""
    if config.description:
        return str(config.description)
    arguments = {key: value for key, value in config.kwargs.items() if key != "batch_id"}
    return f"{config.type} {', '.join(f'{key}={value}' for key, value in sorted(arguments.items()))}".strip()


@lru_cache(maxsize=1)
def library() -> Any:
    """Return Great Expectations, imported on first use because that takes seconds."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations of and in its dependencies
        import great_expectations
        import great_expectations.expectations
        from great_expectations.render.view import view
        from jinja2 import Environment, FileSystemBytecodeCache

    # Great Expectations compiles the templates of Data Docs anew for every chunk, which takes longer than the expectations.
    # The default folder of this cache is one in /tmp whose name anybody can take first.
    view.Environment = partial(Environment, bytecode_cache=FileSystemBytecodeCache(bytecode_folder().name))
    return great_expectations


@lru_cache(maxsize=1)
def bytecode_folder() -> TemporaryDirectory[str]:
    """Return a folder that only this user can enter and that goes with the process."""
    return TemporaryDirectory(prefix="recast-jinja-")


class Site(NamedTuple):
    """Data Docs that are drawn on this machine and copied elsewhere.

    Attributes:
        folder: where they are drawn; it goes with the process.
        sent: sha256 of each file as it was copied, by its name below the folder: many are drawn again and do not change.
    """

    folder: TemporaryDirectory[str]
    sent: dict[str, bytes]


@lru_cache(maxsize=4)
def site_of(docs: str) -> Site:
    """Return the site that this process draws for a URI."""
    return Site(TemporaryDirectory(prefix="recast-docs-"), {})


def drawn_in(docs: str) -> str:
    """Return the local folder in which the Data Docs of a place are drawn."""
    return docs if is_local(docs) else site_of(docs).folder.name


def publish(docs: str) -> None:
    """Copy what was drawn since the last call to where Data Docs belong. Raises OSError where that place refuses."""
    if is_local(docs):
        return
    site, target = site_of(docs), place(docs)
    for file in filter(Path.is_file, sorted(Path(site.folder.name).rglob("*"))):
        name, found = file.relative_to(site.folder.name).as_posix(), hashlib.sha256(file.read_bytes()).digest()
        if site.sent.get(name) != found:
            upload(file, target.joined(name))
            site.sent[name] = found


@lru_cache(maxsize=4)
def prepared(docs: str) -> "Future[Any]":
    """Return the process's one Great Expectations context for a place of Data Docs, to come.

    The library takes 5 s to import: a run asks for its context long before it checks the first chunk.
    """
    pool = ThreadPoolExecutor(1, "great-expectations")
    context = pool.submit(context_for, docs)
    pool.shutdown(wait=False)
    return context


def context_for(docs: str) -> Any:
    """Return a new Great Expectations context for a place of Data Docs."""
    context = library().get_context(mode="ephemeral")
    context.variables.progress_bars = library().data_context.types.base.ProgressBarsConfig(globally=False)
    if docs:
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": drawn_in(docs)}
        index = {"class_name": "DefaultSiteIndexBuilder"}
        context.add_data_docs_site(
            DATA_DOCS, {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": store}
        )
    return context
