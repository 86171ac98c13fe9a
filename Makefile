# The words of the project. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test check cassettes bench soak build clean

help: ## list the words
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .stamps/setup ## make .venv with everything the other words need

.stamps/setup: pyproject.toml
	@mkdir -p .stamps
	@test -x $(RUN) || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sagetape needs Python 3.11 or newer: make PYTHON=python3.12 setup")'
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(RUN) -m pip install --quiet --disable-pip-version-check --group test -e '.[fast,yaml,zstd,images]'
	@touch $@

demo: setup ## the main job, end to end, on the shipped cassettes
	@$(RUN) -m tests.demo

test: setup ## all tests but the long campaigns
	$(RUN) -m pytest -n 2 -q -m 'not soak'

check: setup ## format, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(RUN) -m pytest -q tests/core/test_imports.py

cassettes: setup ## record the shipped cassettes anew, through the product itself
	$(RUN) -m tests.models.record_cassettes

bench: setup ## ratios of speed, as a Markdown table
	$(RUN) -m tests.bench

soak: setup ## the long campaigns: kills, faults, fuzzing
	$(RUN) -m pytest -n 2 -q -m soak --timeout 3600

build: setup ## wheel and source distribution in dist/
	$(RUN) -m pip install --quiet --disable-pip-version-check build
	$(RUN) -m build --outdir dist .

clean: ## remove what the other words made
	rm -rf $(VENV) .stamps dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
