"""The views of every lake, as data: what each is, its columns, and its text in SQL that DuckDB and Spark both run."""

from typing import NamedTuple

from recast.schemas.table import Column


class View(NamedTuple):
    """A view. Its text names tables in braces, so that one that is not built, or lacks a column, does not spoil it.

    Besides tables a text may name ``{documents}``, the verdicts of all tables of documents; ``{answers}``, which prompt
    each fingerprint of a model stage stands for; ``{stages}``, the tables of documents with their place in the lane; and
    three functions that the dialects call otherwise: ``{each}`` makes a row of each element of a list, ``{length}`` counts
    them, ``{json_text}`` reads a value of a JSON object. lakehouse/views.py puts something in the place of each.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    sql: str


REJECTS = View(
    name="rejects",
    about="every rejected row of every table, with its reason and where it came from",
    columns=(
        Column("table_name", "string", "table that rejected the row and holds it"),
        Column("doc_id", "string", "its key there"),
        Column("reason", "string", "of the closed list of that table"),
        Column("source", "string", "repository/path, or the page's address"),
        Column("run_id", "string", "run that last wrote the row"),
        Column("written_at", "timestamp", "when that run staged it, UTC"),
    ),
    sql="""
SELECT table_name, doc_id, reason, source, run_id, written_at
FROM {documents}
WHERE NOT kept
""",
)

LINEAGE = View(
    name="lineage",
    about="from every kept row of a published table to its blob or page, and to each stage that made it: a row per stage",
    columns=(
        Column("table_name", "string", "published table"),
        Column("doc_id", "string", "key of the published row, and of its source row"),
        Column("content_hash", "string", "sha256 of the published text"),
        Column("source_hash", "string", "sha256 of the text it began as, in the raw table"),
        Column("source", "string", "repository/path of the first occurrence, or the page's address"),
        Column("blob_id", "string", "git's name of the blob; null for a page"),
        Column("occurrences", "bigint", "in how many places the blob was found; null for a page"),
        Column("warc_filename", "string", "crawl file that holds the page; null for a blob"),
        Column("warc_record_offset", "int", "position of the page in that file, in bytes"),
        Column("license_type", "string", "permissive or no_license"),
        Column("source_dataset", "string", "name of the dataset the document came from"),
        Column("source_version", "string", "version of that dataset when the row was first read"),
        Column("position", "int", "place of the stage that made it so: earlier stages first"),
        Column("made_by", "string", "table of that stage"),
        Column("measured_by", "string", "fingerprint of what was measured there"),
        Column("decided_by", "string", "fingerprint of the rules that kept the row there"),
        Column("measured_by_facts", "string", "JSON of the facts behind measured_by; null where no run recorded them"),
        Column("decided_by_facts", "string", "JSON of the facts behind decided_by"),
    ),
    sql="""
WITH facts AS (
    SELECT table_name, measured_by, decided_by,
           max(measured_by_facts) AS measured_by_facts, max(decided_by_facts) AS decided_by_facts
    FROM {runs}
    GROUP BY table_name, measured_by, decided_by
), published AS (
    SELECT 'code' AS lane, 'published_code' AS table_name, doc_id, content_hash, license_type, source_dataset,
           source_version, made_by, measured_by, decided_by
    FROM {published_code} WHERE kept
    UNION ALL
    SELECT 'math', 'published_math', doc_id, content_hash, license_type, source_dataset,
           source_version, made_by, measured_by, decided_by
    FROM {published_math} WHERE kept
), makers AS (
    SELECT lane, table_name, doc_id, content_hash, license_type, source_dataset, source_version,
           maker.table_name AS made_by, maker.measured_by AS measured_by, maker.decided_by AS decided_by
    FROM (SELECT *, {each}(made_by) AS maker FROM published) AS above
    UNION ALL
    SELECT lane, table_name, doc_id, content_hash, license_type, source_dataset, source_version,
           table_name, measured_by, decided_by
    FROM published
), origins AS (
    SELECT 'code' AS lane, doc_id, content_hash AS source_hash, concat_ws('/', repo_name, path) AS source,
           doc_id AS blob_id, CAST({length}(occurrences) AS BIGINT) AS occurrences,
           NULL AS warc_filename, NULL AS warc_record_offset
    FROM {raw_code}
    UNION ALL
    SELECT 'math', doc_id, content_hash, url, NULL, NULL, warc_filename, warc_record_offset
    FROM {raw_math}
)
SELECT makers.table_name, makers.doc_id, content_hash, source_hash, source, blob_id, occurrences, warc_filename,
       warc_record_offset, license_type, source_dataset, source_version, position, made_by, makers.measured_by,
       makers.decided_by, measured_by_facts, decided_by_facts
FROM makers
JOIN {stages} ON stages.table_name = makers.made_by
LEFT JOIN origins ON origins.lane = makers.lane AND origins.doc_id = makers.doc_id
LEFT JOIN facts
    ON facts.table_name = makers.made_by AND facts.measured_by = makers.measured_by AND facts.decided_by = makers.decided_by
""",
)

FUNNEL = View(
    name="funnel",
    about="how many rows every stage kept, and how many it rejected for which reason: of each run, and of the tables as they are",
    columns=(
        Column("run_id", "string", "null: the table's present rows, whichever runs wrote them"),
        Column("started_at", "timestamp", "when the stage's run began, UTC; null for present rows"),
        Column("position", "int", "place of the table: earlier stages first"),
        Column("table_name", "string", "table that the stage writes"),
        Column("rows_in", "bigint", "rows that the stage looked at: kept + rejected"),
        Column("kept", "boolean", "whether this row counts the kept ones"),
        Column("reason", "string", "why the counted rows were rejected; null for the kept ones"),
        Column("rows", "bigint", "rows that were kept, or rejected for this reason"),
        Column("share", "double", "rows / rows_in"),
    ),
    sql="""
WITH counted AS (
    SELECT NULL AS run_id, NULL AS started_at, table_name, reason, count(*) AS rows
    FROM {documents}
    GROUP BY table_name, reason
    UNION ALL
    SELECT run_id, started_at, table_name, NULL, rows_kept FROM {runs}
    UNION ALL
    SELECT run_id, started_at, table_name, rejected.key, rejected.value
    FROM (SELECT run_id, started_at, table_name, {each}(map_entries(reasons)) AS rejected FROM {runs}) AS reasons
), summed AS (
    SELECT *, CAST(sum(rows) OVER (PARTITION BY run_id, table_name) AS BIGINT) AS rows_in FROM counted
)
SELECT run_id, started_at, position, summed.table_name, rows_in, reason IS NULL AS kept, reason, rows,
       rows / nullif(rows_in, 0) AS share
FROM summed JOIN {stages} ON stages.table_name = summed.table_name
WHERE rows_in > 0
""",
)

COST = View(
    name="cost",
    about="what all runs of a stage cost, by model and prompt, in total and per token of the answers that were accepted",
    columns=(
        Column("table_name", "string", "table that the stage writes"),
        Column("model", "string", "model that was asked; null for a stage that asks none"),
        Column(
            "prompt",
            "string",
            "name of the prompt version, or the beginning of its hash where no row is left that names it",
        ),
        Column("measured_by", "string", "fingerprint of model, prompt and sampling, or of the linter and its like"),
        Column("runs", "bigint", "runs, also those that failed"),
        Column("rows_measured", "bigint", "rows whose measurement was paid for"),
        Column("rows_kept", "bigint", "rows that these runs wrote and the next stage reads"),
        Column("model_requests", "bigint", "requests that a model answered"),
        Column("prompt_tokens", "bigint", "tokens of their prompts"),
        Column("output_tokens", "bigint", "tokens of their answers"),
        Column("accepted_tokens", "bigint", "of output_tokens, those of answers whose rows were kept when they came"),
        Column("seconds", "double", "wall-clock seconds of the runs"),
        Column("engine_seconds", "double", "seconds that engines worked, added over engines"),
        Column("paid", "double", "their cost by the prices that were set; 0 where none was"),
        Column("prompt_tokens_per_accepted", "double", "prompt tokens read for each accepted token"),
        Column("output_tokens_per_accepted", "double", "tokens written for each accepted token; 1 would be no waste"),
        Column("seconds_per_million_accepted", "double", "seconds of runs for a million accepted tokens"),
        Column("engine_seconds_per_million_accepted", "double", "engine seconds for a million accepted tokens"),
        Column("paid_per_million_accepted", "double", "what a million accepted tokens cost"),
    ),
    sql="""
WITH prompts AS (
    SELECT measured_by, max(prompt) AS prompt_name FROM {answers} GROUP BY measured_by
), spent AS (
    SELECT table_name, measured_by, {json_text}(max(measured_by_facts), '$.model') AS model,
           {json_text}(max(measured_by_facts), '$.prompt') AS prompt_hash,
           count(*) AS runs, CAST(sum(rows_measured) AS BIGINT) AS rows_measured,
           CAST(sum(rows_kept) AS BIGINT) AS rows_kept, CAST(sum(model_requests) AS BIGINT) AS model_requests,
           CAST(sum(prompt_tokens) AS BIGINT) AS prompt_tokens, CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
           CAST(sum(kept_output_tokens) AS BIGINT) AS accepted_tokens,
           sum(seconds) AS seconds, sum(engine_seconds) AS engine_seconds, sum(cost) AS paid
    FROM {runs}
    GROUP BY table_name, measured_by
)
SELECT table_name, model, coalesce(prompt_name, left(prompt_hash, 16)) AS prompt, spent.measured_by, runs, rows_measured,
       rows_kept,
       model_requests, prompt_tokens, output_tokens, accepted_tokens, seconds, engine_seconds,
       paid, prompt_tokens / nullif(accepted_tokens, 0) AS prompt_tokens_per_accepted,
       output_tokens / nullif(accepted_tokens, 0) AS output_tokens_per_accepted,
       1e6 * seconds / nullif(accepted_tokens, 0) AS seconds_per_million_accepted,
       1e6 * engine_seconds / nullif(accepted_tokens, 0) AS engine_seconds_per_million_accepted,
       1e6 * paid / nullif(accepted_tokens, 0) AS paid_per_million_accepted
FROM spent LEFT JOIN prompts ON prompts.measured_by = spent.measured_by
""",
)

VIEWS: dict[str, View] = {view.name: view for view in (REJECTS, LINEAGE, FUNNEL, COST)}
