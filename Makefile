# `make demo` runs the main job, `make test` runs every test; both set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AIRFLOW ?= 3.1
COMPAT := $(VENV)-$(AIRFLOW)

.PHONY: demo test check fast compat bench up setup browser

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv==$$(sed -n 's/^uv==//p' constraints.txt)
	@echo "Setting up $(VENV) ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

browser:  ## A Chromium for the tests of the web pages, unless there is one already
	@if command -v chromedriver >/dev/null && { command -v chromium || command -v google-chrome; } >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian's packages chromium and chromium-driver ..." && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null; \
	else \
		echo "The tests of the web pages need Chromium (or Google Chrome) and its chromedriver on the PATH; install them," \
			"on Debian with: apt-get install chromium chromium-driver" >&2; exit 1; \
	fi

demo: setup  ## Tune a model in Airflow, then retune it on refreshed data, all on this machine
	@$(BIN)/python dags/demo.py

test: setup browser  ## Every test
	$(BIN)/python -m pytest

fast: setup  ## The tests that need no Airflow
	$(BIN)/python -m pytest -m "not airflow and not standalone"

check: setup  ## Formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet tests/test_architecture.py

compat: setup browser  ## Airflow's tests on the oldest supported Airflow, or with AIRFLOW=3.2 on that one, in an environment of its own
	@test -x $(COMPAT)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(COMPAT)
	@$(BIN)/uv pip install --quiet --python $(COMPAT)/bin/python --constraint constraints-$(AIRFLOW).txt --editable '.[dev]'
	$(COMPAT)/bin/python -m pytest tests/airflow tests/standalone/test_scenarios.py tests/standalone/test_refresh.py tests/standalone/test_tuning_page.py

bench: setup  ## Speed and search quality; each benchmark's own options are in benchmarks/README.md
	$(BIN)/python benchmarks/import_cost.py

up: setup  ## Airflow's web UI with the example DAGs and the local service
	@$(BIN)/python dags/up.py
