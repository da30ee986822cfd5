# What people type. `make install` needs Python 3.11 or newer (PYTHON=... names another one) and a package index.

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo demo-rows test matrix soak static check bench bench-report chaos audit fuzz format clean

BIN := .venv/bin
SEEN := tests/scenarios/results/seen.json
# Tests start hundreds of processes: what they import is compiled once.
unexport PYTHONDONTWRITEBYTECODE
# One process more than the machine has processors, because tests also wait. Each has a server of its own; on one that
# they would share, what one leaves open holds up what the other projects.
PYTEST := $(BIN)/pytest --quiet --dist worksteal \
  --numprocesses $(if $(TEST_DATABASE_URL),0,$$(($$(getconf _NPROCESSORS_ONLN) + 1)))

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

install: ## make .venv with the command .venv/bin/syncline
	@scripts/venv requirements.lock

install-dev: ## the same with all that tests and checks need
	@scripts/venv requirements-dev.lock

demo: install ## synchronise real data on this machine, in the foreground; Ctrl-C ends it
	@exec $(BIN)/python deploy/demo/run.py

demo-rows: install ## let a week of new rows arrive in the demo's source
	@$(BIN)/python deploy/demo/source.py

test: install-dev ## the whole test suite, and whether docs/connectors.md says what it has seen
	@$(PYTEST) --seen $(SEEN)
	@$(BIN)/python -m tests.scenarios --check $(SEEN)

matrix: install-dev ## load from every kind of source into every kind of destination; the table goes into docs/connectors.md
	@$(PYTEST) --seen $(SEEN) tests/scenarios
	@$(BIN)/python -m tests.scenarios --page $(SEEN)

soak: install-dev ## a million tasks in a hundred days that pass in minutes: does the store stay level? (SMALL=1: only to see that it works)
	@$(BIN)/python -m benchmarks.soak $(if $(SMALL),--small)

static: install-dev ## format, lint, types, layers, schema and openapi.json
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/mypy deploy/demo deploy/examples scripts
	@$(BIN)/mypy --exclude benchmarks/peers/ benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/throwaway_database.py sh -c '$(BIN)/alembic upgrade head && $(BIN)/alembic check'
	@$(BIN)/syncline openapi | cmp - openapi.json

# One after the other even with -j, so that what the tests say comes last.
check: ## everything: static, then test
	@$(MAKE) --no-print-directory static
	@$(MAKE) --no-print-directory test

# A peer that cannot be installed is named in the report as not measured.
bench: install-dev ## measure, beside the peers (ONLY=drain: not everything; SMALL=1: only to see that it works)
	-@benchmarks/peers/install
	@$(BIN)/python -m benchmarks $(ONLY) $(if $(SMALL),--small)

bench-report: install-dev ## write docs/benchmarks.md from what was measured
	@$(BIN)/python -m benchmarks.page

audit: install-dev ## known vulnerabilities of the locked packages, where their database can be reached
	@$(BIN)/python scripts/audit.py

fuzz: install-dev ## try every property test with many more examples, for minutes and each time with others
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),300) $(PYTEST) --timeout 0 --hypothesis-profile thorough -m hypothesis

chaos: install-dev ## inject faults and check the histories, an hour; the tables go into docs/reliability.md (SEEDS=1,2 FAULTS=20: a part of it; no page)
	@$(BIN)/python -m tests.chaos --tap --page $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FAULTS),--faults $(FAULTS))

format: install-dev ## rewrite the sources in the project's format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

clean: ## remove .venv, the peers, results and what tools cached; .syncline with its data stays
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf benchmarks/.peers benchmarks/results tests/chaos/results tests/scenarios/results
	find app benchmarks deploy migrations scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
