"""The tables beside the documents: what runs did, what was expected, what must not be held, and names for versions."""

from recast.schemas.table import Column, Table

RUNS = Table(
    name="runs",
    about="one row per run of a stage that had something to do",
    key=("run_id", "table_name"),
    columns=(
        Column(
            "run_id",
            "string",
            "one per refresh, the same for all stages of the refresh; a raw table that it refreshes twice has a second one",
        ),
        Column("table_name", "string", "table that the stage writes"),
        Column(
            "number",
            "bigint",
            "order of a table's runs, whatever clocks said: the version of runs before the first row of the run, and 1; null "
            "for runs of an older Recast",
        ),
        Column(
            "status",
            "string",
            "running, succeeded, failed, stopped (a limit was reached), or interrupted: killed after a commit and found "
            "by the next run",
        ),
        Column("problem", "string", "why the run failed, in one line"),
        Column("source_version", "string", "version of what the stage read"),
        Column(
            "takedowns",
            "bigint",
            "version of tombstones that the stage obeyed; below raw tables how often a text was claimed or a claim of one "
            "lifted until then; null for none",
        ),
        Column("target_version", "bigint", "Delta version of the table after the run's last commit"),
        Column("target_id", "string", "Delta's id of the table; one that was deleted and built again has another"),
        Column("target_files", "string", "hash of its data files' names; an older copy, put in its place, has others"),
        Column("chunks", "int", "chunks committed"),
        Column("rows_in", "bigint", "rows that this run wrote: kept + rejected"),
        Column("rows_kept", "bigint", "of rows_in, rows that the next stage reads"),
        Column("rows_rejected", "bigint", "of rows_in, rows with a reason"),
        Column("rows_measured", "bigint", "of rows_in, rows whose measurement this run paid for"),
        Column("rows_removed", "bigint", "rows deleted because their source row is gone or no longer kept"),
        Column(
            "rows_conflicting",
            "bigint",
            "source rows that share an identity and differ; the run took one of each such group",
        ),
        Column("reasons", "map<string, bigint>", "rejected rows by reason"),
        Column("model_requests", "bigint", "requests that a model answered and this run committed"),
        Column("prompt_tokens", "bigint", "prompt tokens of model_requests"),
        Column("output_tokens", "bigint", "tokens of the answers to model_requests"),
        Column("cached_tokens", "bigint", "prompt tokens found in the engine's prefix cache"),
        Column("kept_output_tokens", "bigint", "of output_tokens, those of answers whose rows are kept"),
        Column("recalled_output_tokens", "bigint", "of output_tokens, those that a killed run had paid for before"),
        Column("requests_failed", "bigint", "requests that failed for good: request_failed or poison"),
        Column("engines", "bigint", "engines that answered"),
        Column("engine_start_seconds", "double", "start of the slowest engine in seconds, also if before this run"),
        Column("engine_seconds", "double", "seconds from an engine's first request to its last, added over engines"),
        Column("tokens_per_s", "double", "output tokens per second while engines were asked, added over engines"),
        Column("mfu", "double", "share of the GPUs' peak FLOP/s used by requests; null where the peak is not known"),
        Column("cost", "double", "cost of the run by the prices that were set; 0 where none was"),
        Column("seconds", "double", "wall-clock seconds of the stage"),
        Column("seconds_by_step", "map<string, double>", "the stage's seconds by step: plan, measure, check, commit"),
        Column("started_at", "timestamp", "UTC"),
        Column("master", "string", "Spark master that the run was submitted to"),
        Column("application_id", "string", "Spark's name of the application"),
        Column("executors", "bigint", "executors during the run; 1 where the driver runs the tasks"),
        Column("executor_cores", "bigint", "cores of these executors, added up"),
        Column("tasks_by_host", "map<string, bigint>", "tasks by the host that ran them; `driver`: the driver itself"),
        Column("executor_seconds", "double", "seconds that the tasks of tasks_by_host took, added up"),
        Column("measured_by", "string", "fingerprint of the measurement"),
        Column("decided_by", "string", "fingerprint of the decision"),
        Column("measured_by_facts", "string", "JSON of the facts behind measured_by"),
        Column("decided_by_facts", "string", "JSON of the facts behind decided_by"),
        Column("recast_version", "string", "version of this package"),
    ),
)

EXPECTATION_RESULTS = Table(
    name="expectation_results",
    about="one row per expectation of every checked chunk",
    key=("run_id", "table_name", "chunk", "expectation"),
    columns=(
        Column("run_id", "string", "as in runs"),
        Column("table_name", "string", "table whose staged rows were checked"),
        Column("chunk", "int", "chunk of the run, from 0"),
        Column("expectation", "string", "what is expected, in words"),
        Column("severity", "string", "critical stops the run, warning is recorded"),
        Column("success", "boolean", "whether the staged rows met the expectation"),
        Column("unexpected_rows", "bigint", "rows that did not meet it; null where the expectation counts no rows"),
        Column("observed", "string", "what was seen instead, or the error raised"),
        Column("checked_at", "timestamp", "UTC"),
    ),
)

TOMBSTONES = Table(
    name="tombstones",
    about="what was taken down: a row per claim, and per document that it reached in a table; rows are only added",
    key=("takedown_id", "kind", "value", "doc_id", "table_name"),
    columns=(
        Column("takedown_id", "string", "one per command"),
        Column(
            "number", "bigint", "grows from command to command, whatever clocks say; the last action on a claim counts"
        ),
        Column("action", "string", "take_down, or lift: the claim counts no longer"),
        Column("kind", "string", "what the claim names: blob, repo, url, domain, or content: the sha256 of a text"),
        Column("value", "string", "which one"),
        Column("doc_id", "string", "a document that the claim reached; null in the row of the claim itself"),
        Column("table_name", "string", "table that held the document; null in the row of the claim itself"),
        Column(
            "held_by", "array<string>", "repositories that hold the document, in small letters, if the claim is of one"
        ),
        Column("content_hash", "string", "sha256 of the document's text in that table"),
        Column("input_hash", "string", "hash of what it was made from; journals know answers by it"),
        Column(
            "probes",
            "array<bigint>",
            "hashes of parts of that row's texts, by which `recast purge` finds what is left (lakehouse/probes.py)",
        ),
        Column("why", "string", "why, as whoever took it down says"),
        Column("reference", "string", "what it refers to: a ticket, a letter"),
        Column("requested_at", "timestamp", "UTC"),
        Column("recast_version", "string", "version of this package"),
    ),
)

RELEASES = Table(
    name="releases",
    about="one row per release, or return to one, and published table; all rows of a release are one commit",
    key=("number", "table_name"),
    columns=(
        Column("number", "bigint", "1 for the first; the rows of the greatest number are the current release"),
        Column("release", "string", "name of the release; it stands for the same versions for ever"),
        Column("action", "string", "released, or rolled back: made current again"),
        Column("released_at", "timestamp", "UTC"),
        Column("table_name", "string", "published table"),
        Column("table_version", "bigint", "Delta version of the table"),
        Column("table_id", "string", "Delta's id of the table; one that was deleted and built again has another"),
        Column("rows", "bigint", "kept rows of that version"),
        Column("tokens", "bigint", "sum of their token_count"),
        Column("recast_version", "string", "version of this package"),
    ),
)
