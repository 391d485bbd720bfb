# Everything is installed inside the checkout; only Python 3.11 or 3.12, make and git come from outside.
#
#   make setup   install or update what is needed; costs nothing when nothing changed
#   make run     start the platform on what it already holds
#   make demo    run the whole loop on demo speech, then stay up (ARGS=--exit to stop when done)
#   make test    every test, against real PostgreSQL, Redis, Label Studio and a browser, in two
#                processes with services of their own (ARGS for pytest)
#   make check   format, lint, types, layers, migrations, OpenAPI drift
#   make bench   the benchmarks, into docs/benchmarks/ (ARGS=--quick for a short look)
#   make clean   remove what was installed and cached; the data in var/ stays

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
export PYTHON
BIN := .venv/bin
TOOLS := DJANGO_SETTINGS_MODULE=tests.settings

.PHONY: help setup installed run demo test check bench clean

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@$(MAKE) --no-print-directory --jobs 4 installed

installed: .venv/.installed .venv-label-studio/empty.sqlite3 node_modules/.installed
	@:

.venv/.uv: constraints.txt
	@echo "Python environment"
	@scripts/install python_environment
	@touch $@

.venv/.installed: pyproject.toml constraints.txt .venv/.uv
	@echo "The platform's packages"
	@scripts/install platform
	@touch $@

.venv-label-studio/.installed: constraints-label-studio.txt .venv/.uv
	@echo "Label Studio's packages"
	@scripts/install label_studio
	@touch $@

.venv-label-studio/empty.sqlite3: .venv-label-studio/.installed | .venv/.installed
	@echo "Label Studio's tables"
	@scripts/install label_studio_template
	@touch $@

node_modules/.installed: package.json .npmrc | .venv/.installed
	@echo "Browser libraries"
	@scripts/install browser_libraries
	@touch $@

run: setup
	@$(BIN)/earmark up $(ARGS)

demo: setup
	@$(BIN)/earmark demo $(ARGS)

test: setup
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(TOOLS) $(BIN)/mypy
	$(BIN)/lint-imports
	$(TOOLS) $(BIN)/python manage.py makemigrations --check --dry-run
	$(TOOLS) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml
	git diff --exit-code docs/openapi.yaml

bench: setup
	@for each in $$(grep -l '__main__' benchmarks/*.py); do \
	  $(BIN)/python -m benchmarks.$$(basename "$$each" .py) $(ARGS) || exit 1; \
	done

clean:
	rm -rf .venv .venv-label-studio node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
