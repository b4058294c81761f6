# The commands of a developer. `make` alone lists them. Needed: make, Python 3.11 or newer with its
# venv module, and a network that reaches a package index.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
# The checker of barriers that the browser tests load into our page; never part of the product.
AXE_VERSION := 4.14.1
AXE := build/axe/node_modules/axe-core/axe.min.js
# Twice the cores of a small machine: many tests wait for a process or a quiet time.
WORKERS ?= 4

# Some machines forbid to keep compiled modules: each process of each test would compile them anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup lint docs test test-daemon test-browser test-faults test-packages dist deb bench \
	soak demo clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv and install the package with everything its development needs

# Made anew when a dependency changes; otherwise this costs nothing.
$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "masv-watch needs Python 3.11 or newer and '$(PYTHON)' is not:" \
			"$$($(PYTHON) --version 2>&1 | tail -n 1)." \
			"Name a newer one: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without its venv module: install it" \
			"(Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
	@if [ -e $(VENV) ] && ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		2>/dev/null; then echo "setup: $(VENV) is broken or too old, making it anew"; \
		rm -rf $(VENV); fi
	@[ -e $(VENV) ] || echo "setup: creating the virtual environment $(VENV)"
	@[ -e $(VENV) ] || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing masv-watch and its development tools into $(VENV) (a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]' || { \
		echo "setup: the packages could not be installed; the lines above say why." \
			"A package index must be reachable (a mirror: set PIP_INDEX_URL)." >&2; exit 1; }
	@touch $@
	@echo "setup: ready, $(BIN)/masv-watch is the command"

$(AXE):
	@command -v npm >/dev/null || { echo "the browser tests need npm, which fetches axe-core" \
		"(Debian and Ubuntu: apt-get install npm)" >&2; exit 1; }
	@npm install --silent --no-save --ignore-scripts --no-audit --no-fund \
		--prefix build/axe axe-core@$(AXE_VERSION)

lint: setup ## formatter, linter, types, floors and laws: seconds, before every commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

docs: setup ## the documents as pages, in build/docs; each warning fails
	$(BIN)/python -m sphinx -q -W --keep-going -n -b html docs build/docs
	@echo "docs: open build/docs/index.html"

# In the order of their names the files of few and long tests, such as the kills, come first; xdist
# would begin with those of many and have one worker end long after the others.
# Status 5 of pytest means that nothing was chosen, which for one of the two halves is no failure.
define both_halves
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		-m '$(1) and not serial and not long and not barriers' \
		--ignore=tests/architecture --ignore=tests/benchmarks --ignore=tests/packages
	$(BIN)/python -m pytest -q -m '$(1) and serial and not long' --ignore=tests/architecture \
		--ignore=tests/benchmarks --ignore=tests/packages || [ $$? -eq 5 ]
endef

test: lint ## lint, and all tests but those of whole daemons, of which it takes a slice
	$(call both_halves,not daemon)
	@echo "test: everything passed"

test-daemon: setup ## whole daemons: what they do, what kills them, their pages and documents
	$(call both_halves,daemon)

test-browser: setup $(AXE) ## our page and those of other sites in a real browser (needs chromium-headless-shell)
	$(BIN)/python -m pytest -q tests/browser

test-faults: setup ## the fault matrix and the crash loops, long ones included, and a search at random
	$(BIN)/python -m pytest -q -m 'fault or long' --ignore=tests/benchmarks --ignore=tests/packages
	$(BIN)/python -m pytest -q -m 'hypothesis and not long' --hypothesis-profile=search \
		--ignore=tests/benchmarks --ignore=tests/packages

bench: setup ## every benchmark but the soak, one after the other; fails where a goal was missed
	$(BIN)/python tests/benchmarks/every.py

soak: setup ## half an hour under mixed load; fails where memory, descriptors or threads grow (MINUTES=N)
	$(BIN)/python tests/benchmarks/bench_soak.py --minutes $(or $(MINUTES),30)

dist: setup ## a wheel and a source distribution, in dist/
	@rm -rf build dist *.egg-info
	$(BIN)/python -m build --outdir dist .

deb: dist ## a Debian package with the libraries it needs, in dist/ (on Debian)
	PIP_PYTHON=$(abspath $(BIN))/python contrib/debian/build dist/*.whl dist

test-packages: dist deb ## both installed, run, upgraded and removed on clean ground (as root)
	$(BIN)/python -m pytest -q tests/packages

demo: setup ## the main job on the embedded sandbox cloud; KEEP=1 leaves it running
	@$(BIN)/python demo/main_job.py $(if $(KEEP),--keep)

clean: ## remove the virtual environment and everything that commands leave behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	find masv_watch tests demo -name __pycache__ -type d -prune -exec rm -rf {} +
