# `make train` and `make test` are all that a fresh machine with Python ≥ 3.11 needs. `make help` lists the rest.
# Another Python: `make PYTHON=python3.12 train`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# A stamp says that what it names was installed after the files that it depends on last changed.
# So the second `make` of anything does not start pip at all.
STAMPS := $(VENV)/stamps
REQUIREMENTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help train test lint docs bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

train: $(STAMPS)/run ## trains a network on the embedded digits
	@$(BIN)/entrena train digits

test: $(STAMPS)/dev ## runs every test
	@$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(STAMPS)/dev ## style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMPS)/docs ## builds the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: ## measures entrena against its peers, in an environment of its own
	bash benchmarks/run.sh

clean: ## removes the environment and everything that tools made; keeps runs/
	rm -rf $(VENV) site build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { echo "entrena needs Python 3.11 or newer; '$(PYTHON)' was not found. Install it, or name one: make PYTHON=/path/to/python3.12 train" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "entrena needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -c 'import platform; print(platform.python_version())'). Name a newer one: make PYTHON=python3.12 train" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "'$(PYTHON)' cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or two) …"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: $(REQUIREMENTS) | $(STAMPS)/venv
	@$(PIP_INSTALL) -e .
	@touch $@

$(STAMPS)/dev: $(REQUIREMENTS) | $(STAMPS)/venv
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@ $(STAMPS)/run

$(STAMPS)/docs: $(REQUIREMENTS) | $(STAMPS)/venv
	@$(PIP_INSTALL) -e '.[docs]'
	@touch $@ $(STAMPS)/run
