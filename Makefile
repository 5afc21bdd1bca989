# Every target is one line over the project's own tools, the same by hand and in CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup dev check test demo bench chaos proto web docs lock clean

# What `demo` needs: the locked packages and this checkout, nothing of the machine's own.
$(VENV)/.runtime: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# What `test` and `check` need on top.
$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

setup: $(VENV)/.runtime

dev: $(VENV)/.dev

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: dev
	$(BIN)/pytest -m "not slow"

demo: setup
	$(BIN)/python examples/demo.py

chaos: dev
	$(BIN)/pytest -m "slow or not slow" tests/chaos

bench: dev
	$(BIN)/python -m benchmarks

proto: dev
	PYTHON=$(BIN)/python proto/generate.sh

# Pins for Python 3.11 to 3.14 in one file each; hashes are checked at every install.
lock: dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-header --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
