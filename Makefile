# Every target sets itself up: Python 3.11+ and make are all that must be there.
# The versions are those of constraints.txt; the environment is .venv; a second call installs nothing.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test test-all bench mutants lint notebooks docs clean
.NOTPARALLEL:

help:
	@echo "make demo       fit the short runs of runs/, forecast the long ones, draw the figure (no torch)"
	@echo "make test       tests, without those marked slow"
	@echo "make test-all   every test"
	@echo "make bench      benchmarks: ratios to a yardstick"
	@echo "make mutants    break every line of the numbers' rooms and tell which breaks no test sees (hours)"
	@echo "make lint       ruff, its format, mypy and the floors of imports"
	@echo "make notebooks  execute the notebooks and write their .ipynb twins"
	@echo "make docs       build the documentation into docs/_build/html; warnings and dead links are errors"
	@echo "make clean      remove .venv and caches"

demo: .venv/core
	$(BIN)/python demo.py

# One thread per process and a process per core: many small problems run fastest so.
test test-all: export OMP_NUM_THREADS = 1
test test-all: export OPENBLAS_NUM_THREADS = 1

test: .venv/dev
	$(BIN)/python -m pytest -q -n 2

test-all: .venv/dev
	$(BIN)/python -m pytest -q -n 2 -m ""

# every file of benchmarks/ that can be run is a benchmark
bench: .venv/dev
	@set -e; for file in $$(grep -rl --include='*.py' '^if __name__' benchmarks); do \
	  echo "== $$file"; $(BIN)/python -m $$(echo $${file%.py} | tr / .); done

mutants: .venv/dev
	@$(INSTALL) -e '.[mutants]'
	$(BIN)/python -m benchmarks.mutants

notebooks: .venv/dev
	$(BIN)/python -W ignore tests/make_notebooks.py

docs: .venv/docs
	@rm -rf docs/_build/html
	$(BIN)/python -m sphinx -q -W --keep-going -j 2 -b html docs docs/_build/html
	$(BIN)/python docs/made/links.py docs/_build/html

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .mutants demo_output docs/_build docs/generated

# Stamps: `core` is what a user installs, `dev` adds torch, the test tools and the linters.
.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3"; exit 1; }
	@echo "making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv

.venv/core: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing scaling into .venv"
	@$(INSTALL) -e .
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing scaling, torch, the test tools and the linters into .venv (minutes, once)"
	@$(INSTALL) -e '.[dev]'
	@touch .venv/core $@

.venv/docs: .venv/dev
	@$(INSTALL) -e '.[dev,docs]'
	@touch $@
