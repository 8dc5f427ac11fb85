# Two commands: `make book` and `make test`. Both make .venv ready first.
# `make` alone lists the rest. Another Python: `make book PYTHON=python3.12`.

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: help setup book test style pytest lab serve clean repository

help:
	@echo "make book         execute and render the book into _build/html"
	@echo "make test         check style, run all tests and every notebook"
	@echo "make lab          open the chapters in JupyterLab"
	@echo "make serve        build the book, then show it at http://127.0.0.1:$(PORT)"
	@echo "make clean        remove the built book and all caches, but not .venv"
	@echo "make repository URL=https://github.com/OWNER/NAME"
	@echo "                  set the repository's address everywhere"

setup:
	@$(PYTHON) tools/setup.py

book: setup
	@$(BIN)/python tools/build.py

test: style pytest

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Files of tests and notebooks run side by side, each whole in one process, and of
# tests/test_chapter_runs.py each chapter: tests/conftest.py says so.
pytest: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval-lax --nbval-current-env \
	    --numprocesses=logical --maxprocesses=4 --dist=loadfile tests src book

lab: setup
	$(BIN)/jupyter lab

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis

repository: setup
	@$(BIN)/python tools/repository.py "$(URL)"
