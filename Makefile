# Two commands: `make book` and `make test`. Both make .venv ready first.
# `make` alone lists the rest. Another Python: `make book PYTHON=python3.12`.

PYTHON ?= python3
PORT ?= 8000
MINUTES ?= 10
BIN := .venv/bin

# What the commands must not inherit: other people's packages, kernels and settings,
# a backend without figures, `assert` without effect.
unexport PIP_TARGET PIP_PREFIX PIP_USER PYTHONOPTIMIZE PYTHONPATH PYTHONHOME
unexport JUPYTER_PATH JUPYTER_CONFIG_PATH MATPLOTLIBRC MPLBACKEND
# Programs keep their settings and caches below this folder, not in the home folder.
export IPYTHONDIR := $(CURDIR)/_build/home/ipython
export MPLCONFIGDIR := $(CURDIR)/_build/home/matplotlib
export JUPYTER_DATA_DIR := $(CURDIR)/_build/home/jupyter
export JUPYTER_CONFIG_DIR := $(CURDIR)/_build/home/jupyter
export UV_CACHE_DIR := $(CURDIR)/_build/home/uv

.PHONY: help setup book test style pytest pdf offline lab serve gpu clean repository

help:
	@echo "make book         execute and render the book into _build/html"
	@echo "make test         check style and types, run all tests and every notebook"
	@echo "make pdf          build the book, then print it into one PDF (needs Chromium)"
	@echo "make offline      build the book, then pack it into one archive"
	@echo "make lab          open the chapters in JupyterLab"
	@echo "make serve        build the book, then show it at http://127.0.0.1:$(PORT)"
	@echo "make gpu          on a machine with a CUDA GPU: tests, chapters, benchmarks and"
	@echo "                  full runs for ten minutes; MINUTES=60 for longer"
	@echo "make clean        remove the built book and all caches, but not .venv"
	@echo "make repository URL=https://github.com/OWNER/NAME"
	@echo "                  set the repository's address everywhere"

setup:
	@$(PYTHON) tools/setup.py

book: setup
	@$(BIN)/python -m tools.build

test: style pytest

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

# Files of tests and notebooks run side by side, each whole in one process, and of
# tests/test_chapter_runs.py each chapter: tests/conftest.py says so. What the notebooks
# compute here is what `make book` shows: tools/execution.py.
pytest: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p tools.execution \
	    --nbval-lax --nbval-current-env \
	    --numprocesses=logical --maxprocesses=4 --dist=loadfile book tests src

pdf: book
	@$(BIN)/python -m tools.pdf

offline: book
	@$(BIN)/python -m tools.archive

lab: setup
	$(BIN)/python -m jupyter lab

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

gpu: setup
	@$(BIN)/python -m tools.gpu --minutes $(MINUTES)

clean:
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache .hypothesis book/api/modules

repository: setup
	@$(BIN)/python tools/repository.py "$(URL)"
