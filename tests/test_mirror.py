"""tests/ mirrors the tree: a module's tests stand in the folder of its name, in a file of its name."""

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
FOLDERS = (
    "cli",
    "jobs",
    "lakehouse",
    "inference",
    "udfs",
    "schemas",
    "prompts",
    "samples",
    "benchmarks",
    "docs",
    "deploy",
)
TOGETHER = {
    "benchmarks/test_hostile.py": "benchmarks/hostile_files benchmarks/hostile_lane benchmarks/hostile_run",
    "benchmarks/test_ingest.py": "benchmarks/ingest_clients benchmarks/ingest_fetching",
    "benchmarks/test_lint.py": "benchmarks/corpus benchmarks/scripts",
    "benchmarks/test_lint_shortcuts.py": "benchmarks/lint_shortcuts_worker",
    "benchmarks/test_refresh.py": "benchmarks/night",
    "benchmarks/test_verdicts.py": "benchmarks/hostile_answers benchmarks/verdict_code benchmarks/verdict_pages",
    "cli/test_options.py": "cli/main",
    "cli/test_outcome.py": "recast/exits",
    "cli/test_sql.py": "lakehouse/calls",
    "inference/test_answers.py": "schemas/answers schemas/finish_reasons",
    "inference/test_rewrite_spark.py": "benchmarks/rewrite",
    "jobs/test_catalogue.py": "jobs/names",
    "jobs/test_cluster.py": "benchmarks/cluster benchmarks/processes jobs/refresh",
    "jobs/test_code_lane.py": "jobs/optimize_code jobs/publish_code jobs/publishing jobs/style_code",
    "jobs/test_golden.py": "jobs/lint_code jobs/parse_code",
    "jobs/test_ingest_spark.py": "jobs/ingest_code jobs/ingest_math lakehouse/incoming",
    "jobs/test_math_lane.py": "jobs/publish_math jobs/rewrite_math",
    "jobs/test_sequences.py": "benchmarks/sequences",
    "jobs/test_takedown_lane.py": "lakehouse/withheld",
    "lakehouse/test_actions.py": "benchmarks/plan",
    "lakehouse/test_datasets.py": "lakehouse/forms/form",
    "lakehouse/test_purge.py": "lakehouse/proof",
    "lakehouse/test_query.py": "lakehouse/confinement",
    "lakehouse/test_refresh.py": "cli/plans lakehouse/counts lakehouse/stage lakehouse/staging lakehouse/store "
    "lakehouse/work",
    "lakehouse/test_views.py": "schemas/views",
    "samples/test_code.py": "samples/sources",
    "schemas/test_tables.py": "schemas/linted_code schemas/operations schemas/optimized_code schemas/parsed_code "
    "schemas/published schemas/raw_code schemas/raw_math schemas/reasons schemas/rewrites schemas/rewritten_math "
    "schemas/styled_code schemas/table",
    "test_docs.py": "docs/files docs/shown schemas/__main__",
    "test_setup.py": "recast/__main__",
    "udfs/child/test_guard.py": "udfs/child/guard_worker udfs/child/helper udfs/child/supervisor",
    "udfs/python/linter/test_lint.py": "udfs/python/linter/warm udfs/python/linter/worker",
}
"""Files that test modules of other names, and these modules: where one is used only with another, or many are alike."""
WHOLE = {
    "deploy/test_kubernetes.py",
    "deploy/test_systemd.py",
    "inference/test_responses.py",  # what servers send, from the request to the row
    "jobs/test_chunk_boundary.py",
    "jobs/test_crash.py",
    "jobs/test_error_budget.py",
    "jobs/test_fingerprints.py",
    "jobs/test_first_lake.py",
    "jobs/test_ingest_contents.py",
    "jobs/test_ingest_forms.py",
    "jobs/test_object_store.py",
    "jobs/test_packaging.py",
    "jobs/test_progress_of_answers.py",
    "jobs/test_sequences.py",  # random nights against one clean run
    "lakehouse/test_measuring_ahead.py",
    "test_mirror.py",
    "test_notebooks.py",
    "test_queries.py",
    "test_rooms.py",
    "udfs/test_cases.py",  # answers with their right verdicts, through all readers
}
"""Files that test how modules of several names work together."""


def modules() -> list[str]:
    """Return every module as `udfs/python/fences`; a package that defines something is a module of its folder's name."""
    paths = [
        *(CHECKOUT / "recast").glob("*.py"),
        *(path for name in FOLDERS for path in (CHECKOUT / name).rglob("*.py")),
    ]
    found = [path.relative_to(CHECKOUT).with_suffix("").as_posix() for path in paths if path.name != "__init__.py"]
    packages = [path for path in paths if path.name == "__init__.py" and defines(path)]
    return sorted([*found, *(f"{path.parent.relative_to(CHECKOUT)}/{path.parent.name}" for path in packages)])


def defines(path: Path) -> bool:
    """Say whether a file holds a function or a class."""
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(path.read_text("utf-8")).body)


def own_tests(module: str) -> list[str]:
    """Return the files of tests that are named after a module: `test_lint.py` and `test_lint_spark.py` after `lint`."""
    folder, _, name = module.rpartition("/")
    here, test = CHECKOUT / "tests" / folder, f"test_{name.strip('_')}"
    found = [*here.glob(f"{test}.py"), *here.glob(f"{test}_*.py")]
    return [path.relative_to(CHECKOUT / "tests").as_posix() for path in found]


def untested(names: list[str]) -> list[str]:
    """Return the modules without tests of their name that TOGETHER does not name either."""
    elsewhere = {module for tested in TOGETHER.values() for module in tested.split()}
    return [name for name in names if not own_tests(name) and name not in elsewhere]


def test_every_module_has_tests_of_its_name_or_is_tested_together_with_others() -> None:
    assert untested(modules()) == [], "write tests of this name, or name in TOGETHER the file that tests it"


@pytest.mark.parametrize("folder", ["recast", *FOLDERS, "inference/server", "udfs/python/linter"])
def test_a_new_module_without_tests_is_noticed(folder: str) -> None:
    assert untested([f"{folder}/brand_new"]) == [f"{folder}/brand_new"]


def test_every_file_of_tests_is_named_after_a_module_or_says_what_it_tests() -> None:
    written = {path.relative_to(CHECKOUT / "tests").as_posix() for path in (CHECKOUT / "tests").rglob("test_*.py")}
    named = {test for module in modules() for test in own_tests(module)}
    assert written - named - TOGETHER.keys() - WHOLE == set()
    assert (TOGETHER.keys() | WHOLE) - written == set(), "there is no such file any more"


def test_what_is_tested_together_is_there() -> None:
    known = set(modules())
    assert [name for tested in TOGETHER.values() for name in tested.split() if name not in known] == []
