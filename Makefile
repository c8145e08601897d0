PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help app test slow browser check format benchmark clean

help:  ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

app: $(READY)  ## Open the app in the browser
	$(BIN)/streamlit run app.py

test: $(READY)  ## Run the tests (all but slow and browser ones)
	$(BIN)/python -m pytest

slow: $(READY)  ## Run the slow tests only
	$(BIN)/python -m pytest -m slow --timeout=3600

browser: $(READY)  ## Run the tests that drive a real Chromium
	$(BIN)/python -m pytest -m browser

check: $(READY)  ## Lint, formatting, types, which way imports go
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## Mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(READY)  ## Ratios between two things in one run
	$(BIN)/python -m benchmarks.posenet_decode
	$(BIN)/python -m benchmarks.openpose_decode
	$(BIN)/python -m benchmarks.tracking
	$(BIN)/python -m benchmarks.network
	$(BIN)/python -m benchmarks.training

clean:  ## Remove the environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
