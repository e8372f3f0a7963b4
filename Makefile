# Everything that people do with this repository. `make` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two jobs at a time: the packages of Python and of the UI are installed in parallel.
MAKEFLAGS += --no-builtin-rules -j2

# If the environment forbids bytecode files, every process compiles a thousand modules again when it
# starts, which takes two seconds.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= $(firstword $(shell command -v python3.11 python3 2>/dev/null) python3)
PY := .venv/bin/python
NPM := $(PY) -m localstack.node --prefix chat/ui --no-audit --no-fund --no-update-notifier
# Test processes: two per core, because they wait for half of their time; at most eight.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 4 ? 8 : 2 * n)))

INSTALLED := .venv/installed
MODULES := chat/ui/node_modules/.installed
# The one that is built last.
BUILT := analytics/static/analytics/build/manifest.json
UI_SOURCES := $(shell find chat/ui -path '*/node_modules' -prune -o -type f -print 2>/dev/null)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo
	@echo 'Settings go on the command line: make run PORT=8123. See .env.example for all.'

.PHONY: run
run: $(INSTALLED) $(BUILT) ## Start everything on this machine; Ctrl-C stops it (PORT=8000)
	@exec $(PY) -m localstack run

.PHONY: cluster
cluster: $(INSTALLED) $(BUILT) ## The same with nginx in front of three web processes, and two workers
	@.ci/nginx >/dev/null
	@exec $(PY) -m localstack cluster

.PHONY: kafka
kafka: $(INSTALLED) ## Start only an Apache Kafka; Maven fetches its jars (make run KAFKA=1 starts one too)
	@exec $(PY) -m localstack.kafka

.PHONY: monitor
monitor: $(INSTALLED) ## Start a Prometheus that watches make run (PROMETHEUS_PORT=9090)
	@.ci/prometheus >/dev/null
	@exec $(PY) -m localstack.monitor

.PHONY: setup
setup: $(INSTALLED) $(BUILT) ## Install what is needed and build the UI

# Tests run in an order that differs from run to run; the same number gives the same order.
ORDER := $(or $(ORDER),$(shell date +%s))
PYTEST := $(PY) -m pytest -q --randomly-seed=$(ORDER)

# Each half of the acceptance tests has always the same modules, so that an order can be repeated.
HALF := $(patsubst %,tests/acceptance/test_%.py,accessibility admin busy_room conversation)
REST := $(filter-out $(HALF),$(wildcard tests/acceptance/test_*.py))

.PHONY: test
test: $(INSTALLED) $(BUILT) ## All tests: UI, unit, integration, acceptance in Chromium (ORDER)
	@echo 'This order again: make test ORDER=$(ORDER)'
	@.ci/chromium >/dev/null
	@.ci/faketime >/dev/null
	@.ci/nginx >/dev/null
	@.ci/prometheus >/dev/null
	$(NPM) test
	$(PYTEST) tests/unit tests/integration tests/drill -n $(JOBS) --dist worksteal
	@# Each of these processes has a stack of its own and mostly waits. Each has its own temporary
	@# folder too: pytest closes a common one at its start, to a PostgreSQL that already runs there.
	@mkdir -p var
	temporary=$$(mktemp -d); trap 'rm -rf "$$temporary"' EXIT; \
	mkdir "$$temporary"/{monitoring,half,rest}; \
	export CHROMIUM="$$(.ci/chromium)"; \
	PYTEST_DEBUG_TEMPROOT="$$temporary/monitoring" \
		$(PYTEST) tests/monitoring >var/monitoring.log 2>&1 & monitoring=$$!; \
	PYTEST_DEBUG_TEMPROOT="$$temporary/half" $(PYTEST) $(HALF) >var/acceptance.log 2>&1 & half=$$!; \
	failed=0; \
	PYTEST_DEBUG_TEMPROOT="$$temporary/rest" $(PYTEST) $(REST) || failed=1; \
	wait $$half || failed=1; \
	wait $$monitoring || failed=1; \
	cat var/acceptance.log var/monitoring.log; exit $$failed

.PHONY: test-fast
test-fast: $(INSTALLED) ## Unit and integration tests only
	$(PYTEST) tests/unit tests/integration -n $(JOBS) --dist worksteal

EXAMPLES ?= 30
.PHONY: contract
contract: $(INSTALLED) ## Test at length everything that the OpenAPI and AsyncAPI documents allow (EXAMPLES)
	CONTRACT_EXAMPLES=$(EXAMPLES) $(PY) -m pytest -q -n 2 \
		tests/integration/api/test_api_contract.py tests/integration/websocket/test_socket_contract.py

MINUTES ?= 5
SEED ?= 1
.PHONY: drill
drill: $(INSTALLED) ## Kill, freeze and cut off parts while people chat, and judge (MINUTES, SEED, KAFKA=1)
	@exec $(PY) -m tests.drill run --minutes $(MINUTES) --seed $(SEED) $(if $(filter 1,$(KAFKA)),--kafka)

.PHONY: drill-control
drill-control: $(INSTALLED) ## Show that the judge finds losses: cut the power under a weak and a strong log
	@exec $(PY) -m tests.drill control --seed $(SEED)

.PHONY: drill-lost-log
drill-lost-log: $(INSTALLED) ## Empty the log, then restore an old copy: the loss must be reported
	@exec $(PY) -m tests.drill lost-log --seed $(SEED)

WATCHERS ?= 240
GAP ?= 5
.PHONY: cluster-drill
cluster-drill: $(INSTALLED) $(BUILT) ## Kill and restart processes behind nginx under load (WATCHERS, GAP, SEED)
	@.ci/nginx >/dev/null
	@exec $(PY) -m tests.drill.cluster --watchers $(WATCHERS) --gap $(GAP) --seed $(SEED)

CHECKS := check-style check-types check-imports check-django check-ui

.PHONY: check $(CHECKS)
check: $(INSTALLED) $(MODULES) ## Linters, types, import rules, migrations
	@$(MAKE) --no-print-directory --keep-going --output-sync=target $(CHECKS)
check-style:
	$(PY) -m ruff check --quiet .
	$(PY) -m ruff format --check --quiet .
check-types:
	$(PY) -m mypy --no-error-summary
check-imports:
	.venv/bin/lint-imports --config pyproject.toml | sed -n '/^Contracts:/,$$p;/BROKEN/p'
check-django:
	$(PY) -W ignore manage.py makemigrations --check --dry-run --settings tests.static_settings
	$(PY) -W ignore manage.py check --deploy --fail-level WARNING --settings tests.static_settings
check-ui:
	$(NPM) run --silent check

.PHONY: format
format: $(INSTALLED) $(MODULES) ## Format the code
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .
	$(NPM) run format

.PHONY: dashboards
dashboards: $(INSTALLED) ## Generate Grafana's dashboards
	$(PY) -m deploy.grafana.generator

.PHONY: audit
audit: $(INSTALLED) ## Ask for known vulnerabilities in the packages (1: there are some, 3: the registry does not answer)
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(PY) -m localstack.audit

.PHONY: lock
lock: $(INSTALLED) ## Compile the requirements again, with hashes
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	@for name in requirements requirements-dev requirements-node; do \
	    echo "$$name.txt"; \
	    .venv/bin/uv pip compile --quiet --upgrade --python-version 3.11 --universal \
	        --generate-hashes --no-emit-index-url --no-header $$name.in -o $$name.txt; \
	done

.PHONY: clean
clean: ## Remove what was installed and built; the data in var/ stays
	rm -rf .venv chat/ui/node_modules chat/static/chat/build analytics/static/analytics/build staticfiles
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo 'Veche needs Python 3.11 or newer: make PYTHON=/path/to/python3.11'; exit 1; }
	@echo 'Making .venv'
	@$(PYTHON) -m venv .venv

$(INSTALLED): requirements-dev.txt | $(PY)
	@echo 'Installing requirements-dev.txt'
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@

$(MODULES): chat/ui/package-lock.json | $(PY)
	@echo 'Installing the packages of the UI'
	@# Not `npm ci`: it refuses a lock file that lacks the optional binaries of other platforms.
	@$(NPM) install --no-save --loglevel=error >/dev/null
	@touch $@

$(BUILT): $(UI_SOURCES) | $(MODULES)
	@echo 'Building the UI'
	@$(NPM) run --silent build >/dev/null
	@touch $@
