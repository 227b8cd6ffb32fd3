# One command each, on a fresh machine: they make .venv and install into it what they need.
#   make demo    a short real search on synthetic ECG, exported and scored, in demo/
#   make test    the tests
#   make check   formatter, linter, types

PYTHON ?= python3
VENV ?= .venv
BIN := $(CURDIR)/$(VENV)/bin

# The folder of the first export that `atml best` lists.
WINNER := import json, sys; print(next(t['folder'] for t in json.load(sys.stdin) if t['folder']))

# Many tests wait, for processes, servers and browsers: one more than there are cores keeps these busy.
TESTERS = $(shell $(PYTHON) -c 'import os; print(1 + (os.cpu_count() or 1))')

.PHONY: install demo test check format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

demo: install
	mkdir -p demo
	cd demo && $(BIN)/atml search --task afib --trials 12 --folds 4 --finalists 2 --repeats 1 --max-size 60 --timeout 4m
	cd demo && $(BIN)/atml best
	cd demo && $(BIN)/atml score "$$($(BIN)/atml best --json | $(BIN)/python -c "$(WINNER)")"

# Processes that tests start read what is compiled already, also where the environment wants nothing written.
test: install
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build *.egg-info .mypy_cache .ruff_cache
