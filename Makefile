PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODULES := node_modules/.ready
TOOL := $(BIN)/node node_modules/.bin

.DEFAULT_GOAL := help
.PHONY: help app test python frontend coverage readme slow browser pages check format benchmark lock wheel docs notebooks clean

help:  ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Exact versions: what was tested is what is installed.
$(READY): requirements.txt requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# Node itself comes with the environment.
$(MODULES): $(READY) package-lock.json
	$(BIN)/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

app: $(READY)  ## Open the app in the browser
	$(BIN)/streamlit run app.py

# Files side by side, each worker with one thread: torch's own threads gain less than a second file does.
test: $(READY)  ## Run the tests (all but slow and browser ones)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

frontend: $(MODULES)  ## Run the tests of the browser's side that need no browser
	$(BIN)/node --test --test-reporter=dot tests/frontend/*.test.js

coverage: $(READY)  ## Run the tests and print which lines they reach (takes half as long again)
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

readme: $(READY)  ## Run the commands and the Python of README and docs, but those that need a network, a camera or hours
	$(BIN)/python .ci/readme.py $(BIN)

slow: $(READY)  ## Run the slow tests only
	$(BIN)/python -m pytest -m slow --timeout=3600

browser: $(MODULES)  ## Run the tests that drive a real Chromium
	$(BIN)/python -m pytest -m browser

pages: $(READY)  ## One pass through every page in a real Chromium
	.ci/chromium
	$(BIN)/python -m pytest -m browser tests/browser/test_pages.py

python: $(READY)  ## Lint, formatting, types of the Python, which way imports go
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: python $(MODULES)  ## The same, and lint, formatting and types of the JavaScript
	$(TOOL)/biome ci --error-on-warnings
	$(TOOL)/tsc

format: $(MODULES)  ## Mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(TOOL)/biome check --write

benchmark: $(READY)  ## Ratios between two things in one run
	$(BIN)/python -m benchmarks.posenet_decode
	$(BIN)/python -m benchmarks.openpose_decode
	$(BIN)/python -m benchmarks.tracking
	$(BIN)/python -m benchmarks.network
	$(BIN)/python -m benchmarks.training

lock:  ## Renew requirements.txt, -dev and -docs from pyproject.toml
	.ci/lock $(PYTHON)

wheel: $(READY)  ## Build the wheel, install it in an empty environment, use it without a network
	.ci/wheel $(PYTHON)

$(VENV)/.docs: $(READY) requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-docs.txt
	touch $@

docs: $(VENV)/.docs  ## Make the documentation site, in build/site
	$(BIN)/python .ci/docs_pages.py build/docs
	$(BIN)/zensical build --strict --clean

notebooks: $(VENV)/.docs  ## Run the notebooks, and see that their two forms agree
	$(BIN)/jupytext --quiet --update --to ipynb notebooks/*.py
	git diff --exit-code --stat notebooks
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=600 --timeout=900 --override-ini=addopts=-q notebooks

clean:  ## Remove the environment and caches
	rm -rf $(VENV) node_modules .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
