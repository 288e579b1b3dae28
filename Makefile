# Every target does its own set-up: an environment in .venv from the lock files, and what tests need beside it.
# ARGS is passed on: make up ARGS="--home /srv/roost --port 8080 --no-open", make test ARGS="tests/model -x".
.PHONY: help up test check bench pictures docs lock format clean
SHELL := /bin/sh
BIN := .venv/bin
ARGS ?=

help:
	@echo "make up       run the platform on this machine (ARGS: flags of roost up)"
	@echo "make test     all tests, with a headless Chromium (ARGS: arguments of pytest)"
	@echo "make check    formatting, lint, types, layers, lock files"
	@echo "make bench    Roost beside JupyterHub and dask-gateway: one table (ARGS: arguments of the benchmark)"
	@echo "make pictures take the pictures of the documentation again, by the tests of the pages"
	@echo "make docs     build the documentation into docs/_build/html"
	@echo "make lock     lock again after a change of dependencies (ARGS=--upgrade: newest versions)"
	@echo "make format   put the code into its form"
	@echo "make clean    remove what the other targets made"

up:
	@scripts/bootstrap server
	@exec $(BIN)/roost up $(ARGS)

test:
	@scripts/bootstrap docs
	@scripts/ensure-chromium
	@scripts/ensure-bubblewrap
	@exec $(BIN)/pytest $(ARGS)

check:
	@scripts/bootstrap docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/lock --check

bench:
	@scripts/bootstrap docs
	@exec $(BIN)/python -m benchmarks $(ARGS)

pictures:
	@scripts/bootstrap docs
	@scripts/ensure-chromium
	@ROOST_PICTURES=1 $(BIN)/pytest tests/browser/test_journey.py

docs:
	@scripts/bootstrap docs
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

lock:
	@scripts/bootstrap docs
	$(BIN)/python scripts/lock $(ARGS)

format:
	@scripts/bootstrap docs
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis docs/_build build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
