"""runs and expectation_results: what every run did, and what its expectations found."""

from schemas.table import Column, Table

RUNS = Table(
    name="runs",
    about="one row per run of a stage that had something to do",
    key=("run_id", "table_name"),
    columns=(
        Column("run_id", "string", "one per refresh; shared by its stages"),
        Column("table_name", "string", "table that the stage writes"),
        Column(
            "status",
            "string",
            "running, succeeded, failed, or interrupted: killed after a commit and found by the next run",
        ),
        Column("problem", "string", "why the run failed, in one line"),
        Column("source_version", "string", "version of what the stage read"),
        Column("target_version", "bigint", "Delta version of the table after the run's last commit"),
        Column("chunks", "int", "chunks committed"),
        Column("rows_in", "bigint", "rows that this run wrote: kept + rejected"),
        Column("rows_kept", "bigint", "of these, rows that the next stage reads"),
        Column("rows_rejected", "bigint", "of these, rows with a reason"),
        Column("rows_measured", "bigint", "of these, rows whose measurement this run paid for"),
        Column("rows_removed", "bigint", "rows deleted because their source row is gone or no longer kept"),
        Column("reasons", "map<string, bigint>", "rejected rows by reason"),
        Column("model_requests", "bigint", "requests that a model answered in this run"),
        Column("prompt_tokens", "bigint", "tokens of those requests"),
        Column("output_tokens", "bigint", "tokens of those answers"),
        Column("cached_tokens", "bigint", "prompt tokens found in the engine's prefix cache"),
        Column("seconds", "double", "wall-clock seconds of the stage"),
        Column("seconds_by_step", "map<string, double>", "where they went: plan, measure, check, commit"),
        Column("started_at", "timestamp", "UTC"),
        Column("measured_by", "string", "fingerprint of the measurement"),
        Column("decided_by", "string", "fingerprint of the decision"),
        Column("measured_by_facts", "string", "JSON that the fingerprint stands for"),
        Column("decided_by_facts", "string", "JSON that the fingerprint stands for"),
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
        Column("success", "boolean", "whether the staged rows met it"),
        Column("unexpected_rows", "bigint", "rows that did not; null where the expectation counts none"),
        Column("observed", "string", "what was seen instead, or the error raised"),
        Column("checked_at", "timestamp", "UTC"),
    ),
)
