# The few commands a person needs. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PYTHON

.PHONY: help install up test check unit property integration acceptance faults e2e bench chaos lock clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Install what the platform needs, with SQL Server by EXTRA=mssql (again: seconds, nothing changes)
	@.ci/install $(EXTRA)

up: install ## Start the platform on this machine; Ctrl-C stops it (options: make up ARGS="--help")
	@exec .venv/bin/python manage.py up $(ARGS)

test: ## Install what tests need, then run every check and every test
	@.ci/install dev && .ci/test

check: ## The static checks alone: style, types, imports, migrations, settings
	@.ci/install dev && .ci/test static

unit: ## The tests without a database, those of the sources and of the architecture
	@.ci/install dev && .ci/test unit

property: ## The invariants, on many generated inputs
	@.ci/install dev && .ci/test property

integration: ## The tests on a database: SQLite, then PostgreSQL
	@.ci/install dev && .ci/test sqlite postgresql

acceptance: ## The tests with real processes and signals, a fresh clone among them
	@.ci/install dev && .ci/test acceptance

faults: ## Every kind of fault once, on one platform: a small `make chaos`
	@.ci/install dev && .ci/test chaos

e2e: ## The tests in a real browser
	@.ci/install dev && .ci/test e2e

bench: ## Measure one section beside its limit (SECTION=startup, logs, runs, scheduling, supervision, records, fetching, politeness, scraping, pages, dashboards, api; QUICK=1: a smaller size)
	@.ci/install dev && .venv/bin/python -m benchmarks.$(or $(SECTION),startup)

chaos: ## Hurt everything at random (ROUNDS=60 faults, KILLS=300, RESTARTS=20, TREES=1000, CLAIMS=10000) and look for damage
	@.ci/install dev && DC_TEST_CHAOS_ROUNDS=$(or $(ROUNDS),60) DC_TEST_CLAIMS=$(or $(CLAIMS),10000) \
	    DC_TEST_KILLS=$(or $(KILLS),300) DC_TEST_LOAD_MINUTES=$(or $(LOAD_MINUTES),5) DC_TEST_BACKEND=postgresql \
	    .venv/bin/python -m pytest -s -p no:cacheprovider tests/chaos
	@DC_TEST_TREES=$(or $(TREES),1000) .venv/bin/python -m pytest -p no:cacheprovider \
	    tests/integration/apps/runtime/supervision/test_trees.py tests/acceptance/test_supervision.py
	@for backend in sqlite postgresql; do \
	    DC_TEST_KILLS=$(or $(KILLS),300) DC_TEST_RESTARTS=$(or $(RESTARTS),20) DC_TEST_BACKEND=$$backend \
	    .venv/bin/python -m pytest -p no:cacheprovider tests/acceptance/test_lines_survive.py || exit 1; done

lock: ## Compile requirements/*.in to hashed *.txt
	@.ci/install && .ci/lock $(ARGS)

clean: ## Remove what can be made again; the data in var/ stays
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis htmlcov .coverage* staticfiles
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
