# Every target sets itself up: Python 3.11 or newer and make are all it needs.
# The packages come from the hashed lock files, from whatever index pip is configured for.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .venv-tools
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help demo serve test coverage check contract bench latency reading engine tools deploy image format openapi settings faults plans lock clean

help:  ## What can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Eligo needs Python 3.11 or newer; say where it is: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/pyvenv.cfg requirements.lock requirements-build.lock pyproject.toml
	$(PIP) install --quiet --require-hashes -r requirements-build.lock
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

$(TOOLS)/.installed: deploy/tools.lock
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r deploy/tools.lock
	@touch $@

demo: $(VENV)/.run  ## Judge the demonstration patients against the demonstration trials
	$(BIN)/eligo demo

serve: $(VENV)/.run  ## Serve on http://127.0.0.1:8000 (documentation under /docs)
	$(BIN)/eligo serve

test: $(VENV)/.dev  ## Run the tests on every core
	$(BIN)/python -m pytest -n auto

coverage: $(VENV)/.dev  ## The same with branch coverage
	$(BIN)/python -m pytest -n auto --cov --cov-report=term

check: $(VENV)/.dev  ## Lint, types, import order, schemas, freshness of generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/freshness tests/criteria/test_codec.py tests/knowledge/test_catalogue.py

bench: $(VENV)/.dev  ## Measure against orjson.loads of the same bytes (docs/operations.md, Speed)
	$(BIN)/python -m benchmarks.run

latency: $(VENV)/.dev  ## Time CDS Hooks calls to a server of their own (docs/operations.md, Speed)
	$(BIN)/python -m benchmarks.hooks

contract: $(VENV)/.dev  ## Send what the API description describes and forbids, 5,000 requests on each database
	ELIGO_CONTRACT=full $(BIN)/python -m pytest --quiet --capture=no tests/contract

.PHONY: fuzz load
load: $(VENV)/.dev  ## Measure throughput, overload and memory of a server of its own (docs/operations.md, Speed)
	$(BIN)/python -m benchmarks.load

FUZZ_S ?= 60
FUZZED = bundle page study fhir-study xml csv ndjson token unit date parameters concept-map hook inline
fuzz: $(VENV)/.dev  ## Damage what every parser reads: thousands of examples, then FUZZ_S seconds each guided by coverage
	ELIGO_FUZZ=full $(BIN)/python -m pytest --quiet --capture=no tests/fuzz
	@$(PIP) install --quiet --only-binary :all: "atheris>=3" || echo "atheris has no wheel for this platform"
	@for each in $(FUZZED); do $(BIN)/python -m tests.fuzz.guided $$each $(FUZZ_S) .fuzz || test $$? = 77 || exit 1; done

reading: $(VENV)/.dev  ## Read the gold set: figures, and the lines of the develop half that are wrong or missed
	@$(BIN)/python -m tests.reader.figures

tools: $(TOOLS)/.installed  ## Install Envoy, Helm's library and schemas, with which deploy/ is tested (600 MB)

deploy: $(VENV)/.dev $(TOOLS)/.installed  ## Test gateways, compose file, chart and published contracts for real
	$(BIN)/python -m pytest --quiet tests/deploy

image: $(VENV)/.dev  ## Build the image without a registry (root, buildah, debootstrap) and test it; AGAIN=1: twice, and compare
	PYTHON=$(abspath $(BIN)/python) deploy/build-image eligo:test
	$(if $(AGAIN),PYTHON=$(abspath $(BIN)/python) deploy/build-image eligo:again)
	ELIGO_TEST_IMAGE=eligo:test $(if $(AGAIN),ELIGO_TEST_IMAGE_AGAIN=eligo:again) $(BIN)/python -m pytest --quiet tests/deploy/test_image.py

engine: $(VENV)/.dev  ## Run every case in a second engine, as CQL (needs Node)
	ELIGO_SECOND_ENGINE=all $(BIN)/python -m pytest --quiet tests/cql

faults: $(VENV)/.dev  ## Stop, kill and freeze what a service rests on, also the long ones (docs/operations.md, Faults)
	ELIGO_FAULTS=all $(BIN)/python -m pytest --quiet --durations=0 tests/faults

plans: $(VENV)/.dev  ## Search 100,000 trials in PostgreSQL and look at the plans (docs/operations.md, PostgreSQL)
	ELIGO_PLANS=100000 $(BIN)/python -m pytest --quiet --capture=no tests/store/test_plans.py

.PHONY: elm
elm: $(VENV)/.dev  ## Compile the CQL of stored trials (TRIALS="NCT...", else all) to ELM, served with it from then on (needs Node)
	$(BIN)/python -m tests.cql.publish $(TRIALS)

format: $(VENV)/.dev  ## Apply the formatter and the safe fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

settings: $(VENV)/.run  ## Write docs/settings.md anew
	$(BIN)/eligo settings --markdown > docs/settings.md

openapi: $(VENV)/.run  ## Write openapi/openapi.json, its examples and schemas/ anew, as the service has them
	$(BIN)/python -m app.cli.answering
	$(BIN)/eligo openapi > openapi/openapi.json

lock: $(VENV)/pyvenv.cfg  ## Resolve the lock files anew from pyproject.toml
	$(PIP) install --quiet pip-tools
	$(COMPILE) --upgrade --output-file requirements.lock pyproject.toml
	$(COMPILE) --upgrade --only-build-deps --build-deps-for editable --constraint requirements.lock \
		--output-file requirements-build.lock pyproject.toml
	$(COMPILE) --upgrade --no-strip-extras --extra dev --extra otel --constraint requirements.lock --constraint requirements-build.lock \
		--output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --upgrade --output-file deploy/tools.lock deploy/tools.in
	$(COMPILE) --upgrade --output-file deploy/sbom.lock deploy/sbom.in

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) $(TOOLS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .import_linter_cache .fuzz
