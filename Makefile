PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo mini test check check-all docs docs-site clean
install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -e '.[dev]'
	touch $@

demo: $(STAMP)  ## corpus -> SFT -> EMA-GRPO -> evaluation -> runs/demo/report.html
	$(BIN)/onethinker demo

mini: $(STAMP)  ## the shipped weights from nothing, resumable -> runs/mini/report.html
	OMP_NUM_THREADS=1 $(BIN)/python -m onethinker.studies.mini

test: $(STAMP)  ## the tests, quick ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow'

check: $(STAMP)  ## style, types, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-all: check docs-site  ## everything, slow tests and the site too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

docs: $(STAMP)  ## the generated pages
	$(BIN)/python docs/build.py

docs-site: $(STAMP)  ## the docs as a site -> site/index.html, every warning an error
	$(BIN)/python -m pip install -q -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

clean:
	rm -rf .venv build site *.egg-info
