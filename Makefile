# What CI runs is what you run. Each target creates what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup build test test-nightly test-spark docs site screenshots lint format locks bench bench-quick prove exercise reconcile gate clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 13

setup: ## create .venv from the locked dependencies
	@scripts/setup

build: setup ## build and test the datasets on DuckDB, then print a summary
	@$(BIN)/mbp build

test: setup ## what a merge needs: lint, pytest, dbt on DuckDB and a real PostgreSQL
	@scripts/check

test-nightly: setup ## the proofs that only the nightly run makes (tests/python/nightly.yaml)
	@$(BIN)/mbp exercise --all --mutations
	@HYPOTHESIS_PROFILE=night $(BIN)/pytest -q -n 2 --dist loadfile -m "nightly or hypothesis"

test-spark: setup ## install the optional Spark engine (Java 17) and run the project on it
	@$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --require-hashes --no-deps \
	    -r requirements-spark.lock || \
	    $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-spark.lock
	@$(BIN)/pytest -q --timeout 1800 --durations=5 tests/python/spark

docs: setup ## write the documentation as one static page
	@scripts/docs

site: setup ## write the documentation for each role as a folder of static pages: target/site
	@scripts/docs --site

screenshots: setup ## take the pictures of the report in docs/images anew (needs chromium)
	@rm -f target/report.html; $(BIN)/mbp report --output target/report.html || [ $$? -eq 2 ] # 2: checks are not measured
	@$(BIN)/python scripts/screenshots.py target/report.html docs/images

lint: setup ## formatting, lint, types, generated files, conventions
	@scripts/lint

format: setup ## fix what the formatters can fix
	@$(BIN)/ruff check --fix --quiet src lab tests scripts; $(BIN)/ruff format --quiet src lab tests scripts
	@$(BIN)/sqlfluff fix --quiet models tests/dbt/telemetry tests/dbt/loading

prove: setup ## inject one fault per rule and print what was caught
	@$(BIN)/mbp quality prove

exercise: setup ## inject a fault per hook into an isolated copy and check each decision
	@$(BIN)/mbp exercise --all --mutations

reconcile: setup ## compare the market's tables with the warehouse (MBP_SOURCE_*; every night)
	@$(BIN)/mbp cdc reconcile

gate: setup ## run every measurement for a release, then the gate (minutes)
	@scripts/gate

locks: setup ## compile the locks anew with the newest versions that pyproject.toml allows
	@scripts/locks --upgrade

bench: setup ## measure speed (minutes; BENCH_ROWS=1000000,10000000)
	@$(BIN)/python -m lab.bench

bench-quick: setup ## compare with the last recorded run: exit 1 on a loss of more than 20 % (3 minutes)
	@$(BIN)/python -m lab.bench.quick

clean: ## remove everything that was built, and the environment
	rm -rf .venv target logs dbt_packages mbp.duckdb mbp.duckdb.wal .mbp
