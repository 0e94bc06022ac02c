# Everything that gets installed is installed from here, and is printed first.
#   PYTHON=python3.11   the Python that .venv is made with (3.11 or newer)
#   DEMO, TESTS, BENCH, SOAK  further arguments for `lineside demo`, pytest, the benchmarks and the soak
#   WORKERS             processes that share the tests: more than cores, since most tests wait; 0 for one process
PYTHON ?= python3
DEMO ?=
TESTS ?=
WORKERS ?= 3
BENCH ?=
SOAK ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SYSTEM_PACKAGES := .ci/system-packages

# The constraints hold for what builds our dependencies, too: one variable for older pips, one for newer ones.
# An address, because a path with a space in it would be read as two.
CONSTRAINTS = $(shell $(PYTHON) -c 'import pathlib; print(pathlib.Path("constraints.txt").absolute().as_uri())')
PIP = PIP_CONSTRAINT='$(CONSTRAINTS)' PIP_BUILD_CONSTRAINT='$(CONSTRAINTS)' PIP_DISABLE_PIP_VERSION_CHECK=1 \
      $(BIN)/python -m pip

# What the tests take from npm: folders with a lock file.
PEERS := $(patsubst %/package-lock.json,%/node_modules/.ready,$(wildcard tests/*/package-lock.json tests/*/*/package-lock.json))

MAX_LINES := 400

.PHONY: help demo test check fix bench soak servers lines upgrade clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Run simulated machines and the gateway, and say where to look; ^C ends it
	@$(BIN)/lineside demo $(DEMO)

test: $(READY) servers $(PEERS) ## Run the tests; as root on Debian, install the servers that they start
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(TESTS)

check: $(READY) lines ## Check format, lint, types, layers and module sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY) ## Format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) servers ## Run the benchmarks
	@$(BIN)/python -m tests.benchmarks $(BENCH)

soak: $(READY) servers ## Run long simulated shifts, and compare what is stored with what happened
	@$(BIN)/python -m tests.soak $(SOAK)

servers: # what the tests start beside Python
	@$(SYSTEM_PACKAGES) servers

lines: # a module that outgrows this is more than one thing
	@find gateway adapters simulators tests -name '*.py' -exec wc -l {} + | \
	    awk '$$2 != "total" && $$1 > $(MAX_LINES) { print $$2 ": " $$1 " lines, at most $(MAX_LINES)"; bad = 1 } END { exit bad }'

$(READY): pyproject.toml constraints.txt $(SYSTEM_PACKAGES)
	@$(SYSTEM_PACKAGES) build $(PYTHON)
	@echo "lineside: making $(VENV) and installing into it, as pip is configured (the AMQP library is compiled, half a minute):"
	@sed -e '/^#/d' constraints.txt | tr '\n' ' ' | fold -s -w 110 | sed -e 's/^/  /'; echo
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --editable '.[dev]'
	@$(BIN)/python .ci/verify-install
	@touch $@

%/node_modules/.ready: %/package.json %/package-lock.json
	@if command -v npm >/dev/null; then \
	    echo "lineside: installing the packages of $*/package-lock.json with npm"; \
	    cd $* && npm ci --silent --no-audit --no-fund --ignore-scripts && touch node_modules/.ready; \
	else echo "lineside: no npm; the tests that need $*/package.json will be skipped"; fi

upgrade: $(READY) ## Bring constraints.txt to the newest versions that pyproject.toml allows
	@.ci/upgrade-constraints $(PYTHON)

clean: ## Remove what make and the tools have made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache $(dir $(PEERS))
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
