# Commands for people. `make install` needs Python 3.11 or newer (PYTHON=... names another one) and a package index.

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo demo-rows test matrix soak static check bench bench-report chaos audit fuzz format
.PHONY: descriptions screenshots dump-release clean

BIN := .venv/bin
SEEN := tests/scenarios/results/seen.json
# Tests start hundreds of processes, so what they import is compiled only once.
unexport PYTHONDONTWRITEBYTECODE
# One process more than the machine has processors, because tests also wait. Each has its own server: on a shared one, a
# transaction that one test leaves open would hold up the projections of another.
PYTEST := $(BIN)/pytest --quiet --dist worksteal \
  --numprocesses $(if $(TEST_DATABASE_URL),0,$$(($$(getconf _NPROCESSORS_ONLN) + 1)))

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

install: ## create .venv with the command .venv/bin/syncline
	@scripts/venv requirements.lock

install-dev: ## the same, with everything that tests and checks need
	@scripts/venv requirements-dev.lock

demo: install ## copy real data on this machine, in the foreground; Ctrl-C ends it
	@exec $(BIN)/python deploy/demo/run.py

demo-rows: install ## add a week of new rows to the demo's source
	@$(BIN)/python deploy/demo/source.py

test: install-dev ## run the whole test suite, and check the table in docs/connectors.md against it
	@scripts/browser
	@$(PYTEST) $(PYTEST_OPTIONS) --seen $(SEEN)
	@$(BIN)/python -m tests.scenarios --check $(SEEN)

matrix: install-dev ## copy from every kind of source to every kind of destination; write the table in docs/connectors.md
	@$(PYTEST) --seen $(SEEN) tests/scenarios
	@$(BIN)/python -m tests.scenarios --page $(SEEN)

soak: install-dev ## run a million tasks in a hundred simulated days: does the store stay level? (SMALL=1: a quick trial)
	@$(BIN)/python -m benchmarks.soak $(if $(SMALL),--small)

static: install-dev ## check format, lint, types, layers, schema, openapi.json and descriptions of keys
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/mypy deploy/demo deploy/examples scripts
	@$(BIN)/mypy --exclude benchmarks/peers/ benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/throwaway_database.py sh -c '$(BIN)/alembic upgrade head && $(BIN)/alembic check'
	@$(BIN)/syncline openapi | cmp - openapi.json
	@$(BIN)/python scripts/key_descriptions.py | cmp - app/config/key_descriptions.json

# One after the other even with -j, so that the tests' output comes last.
check: ## static, then test
	@$(MAKE) --no-print-directory static
	@$(MAKE) --no-print-directory test

# The report names a peer that cannot be installed as not measured.
bench: install-dev ## measure Syncline and its peers (ONLY=drain: only that; SMALL=1: a quick trial)
	-@benchmarks/peers/install
	@$(BIN)/python -m benchmarks $(ONLY) $(if $(SMALL),--small)

bench-report: install-dev ## write docs/benchmarks.md from existing results
	@$(BIN)/python -m benchmarks.page

audit: install-dev ## look up known vulnerabilities of the locked packages
	@$(BIN)/python scripts/audit.py

fuzz: install-dev ## run every property test with many more examples, new ones each time; takes minutes (FUZZ_SECONDS=300)
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),300) $(PYTEST) --timeout 0 --hypothesis-profile thorough -m hypothesis

chaos: install-dev ## inject faults and check the histories for an hour; write the tables in docs/reliability.md (SEEDS=1,2 FAULTS=20: only a part, and no tables)
	@$(BIN)/python -m tests.chaos --tap --page $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FAULTS),--faults $(FAULTS))

screenshots: install-dev ## take the screenshots of the documentation anew, into docs/pages
	@scripts/browser
	@$(PYTEST) --numprocesses 0 --screenshots docs/pages tests/browser/test_screenshots.py

dump-release: install-dev ## fill a database with this release and leave a dump of it in tests/releases
	@$(BIN)/python scripts/dump_release.py

descriptions: install-dev ## collect what the documentation says about keys, for 'syncline schema'
	@$(BIN)/python scripts/key_descriptions.py > app/config/key_descriptions.new
	@mv app/config/key_descriptions.new app/config/key_descriptions.json

format: install-dev ## format the source code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

clean: ## remove .venv, the peers, results and caches; .syncline with its data stays
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf benchmarks/.peers benchmarks/results/tried tests/chaos/results tests/scenarios/results
	find app benchmarks deploy migrations scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
