# Every target sets up what it needs: a clone is the only step before it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
DEV := $(BIN)/python -m carthub_dev
# With extras: pip looks for a package with an extra by itself, and finds a newer one than is pinned.
RESOLVE := $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes \
  --no-emit-index-url --no-header --no-strip-extras

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV) from requirements/dev.lock"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: venv
venv: $(READY) ## The virtual environment with everything pinned

.PHONY: root
root:
	@PYTHONPATH=dev $(PYTHON) -m carthub_dev.privileges

.PHONY: run
run: root $(READY) ## A real Kubernetes here, a CartService applied, the cart API answering; Ctrl-C removes it
	@$(DEV) run

.PHONY: up
up: root $(READY) ## The same in the background
	@$(DEV) up

.PHONY: status
status: $(READY) ## What of the platform runs, and where
	@$(DEV) status || [ $$? -eq 3 ]

.PHONY: rotate
rotate: $(READY) ## Rotate the database password of what runs, as AWS Secrets Manager does
	@$(DEV) rotate

.PHONY: env
env: $(READY) ## What a shell needs to look at it: eval "$(make --silent env)"
	@$(DEV) env

.PHONY: down
down: $(READY) ## Remove everything that run or up started
	@$(DEV) down

# The nodes of the end-to-end tests take what the machine has of some things: nothing beside them.
# 5 is "no tests", of one of the two. A process that crashes fails the run; one started in its place
# would wait for ever for the others of its group.
PYTEST := $(BIN)/python -m pytest
# COVERAGE=1 measures what the tests run of both programs. Both runs add to one file.
COVERED := $(if $(COVERAGE),--cov --cov-append --cov-report=)
.PHONY: test
test: $(READY) ## All tests; WORKERS=0 runs those without nodes one after the other, COVERAGE=1 measures
	@$(if $(COVERAGE),rm -f .coverage)
	@$(PYTEST) -m "not node" --numprocesses $(WORKERS) --max-worker-restart 0 --dist loadgroup \
	  $(COVERED) $(PYTEST_ARGS) || [ $$? -eq 5 ]
	@$(PYTEST) -m node $(COVERED) $(PYTEST_ARGS) || [ $$? -eq 5 ]
	@$(if $(COVERAGE),$(BIN)/coverage report --skip-covered)

.PHONY: faults
faults: $(READY) ## The fault tests at full size, which takes a good while; `make test` has their short form
	@CARTHUB_FAULTS=full $(BIN)/python -m pytest -m faults -s $(PYTEST_ARGS)

.PHONY: bench
bench: $(READY) ## What a request costs beside a tutorial's service and pgbench; BENCH_ARGS="--short", or "--part operator"
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

.PHONY: lint
lint: $(READY) type ## Style, types, import contracts, Dockerfiles
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/hadolint Dockerfile.operator Dockerfile.service

# Not --quiet, which lets warnings pass. The notice left out says that mkdocs-material 9 is kept up
# until May 2027; its successor reads mkdocs.yml.
.PHONY: docs
docs: $(READY) ## The documentation as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html"

.PHONY: type
type: $(READY) ## Types only
	@$(BIN)/mypy

.PHONY: fmt
fmt: $(READY) ## Format the code and apply safe fixes
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

# Delivery: what the buildspecs in deploy/aws call. TAG is a commit there.
TAG ?= dev
TIMEOUT ?= 10m
needed = $(if $($(1)),,$(error $(1) is missing: make $@ $(1)=...))

.PHONY: images
images: $(READY) ## Build both images with the tag TAG
	@$(DEV) images --tag "$(TAG)"

.PHONY: push
push: $(READY) ## Push them to IMAGE_REPOSITORY, unless the tag is there; log in first
	$(call needed,IMAGE_REPOSITORY)
	@$(DEV) push "$(IMAGE_REPOSITORY)" --tag "$(TAG)"

.PHONY: deploy
deploy: $(READY) ## Give the CartService NAME in NAMESPACE the image IMAGE, and wait
	$(call needed,IMAGE)$(call needed,NAME)$(call needed,NAMESPACE)
	@$(BIN)/kubectl patch cartservice "$(NAME)" --namespace "$(NAMESPACE)" --type merge \
	  --field-manager carthub-pipeline --patch '{"spec": {"image": "$(IMAGE)"}}'
	@$(BIN)/carthub wait "$(NAME)" --namespace "$(NAMESPACE)" --timeout "$(TIMEOUT)"

.PHONY: wait
wait: $(READY) ## Wait until the CartService NAME in NAMESPACE is Ready, or sure not to become it
	$(call needed,NAME)$(call needed,NAMESPACE)
	@$(BIN)/carthub wait "$(NAME)" --namespace "$(NAMESPACE)" --timeout "$(TIMEOUT)"

.PHONY: lock
lock: $(READY) ## Resolve requirements/*.lock again, with hashes and without addresses
	@for extra in operator service cli dev; do \
	  $(RESOLVE) --extra $$extra pyproject.toml --output-file requirements/$$extra.lock; done
	@for group in build policy; do \
	  $(RESOLVE) --group $$group --output-file requirements/$$group.lock; done

.PHONY: release
release: $(READY) ## All files of a version into dist/; RELEASE_ARGS="--snapshot" for what is not committed
	@$(DEV) release $(RELEASE_ARGS)

.PHONY: manifests
manifests: $(READY) ## What is made from the chart: deploy/operator, copies in the chart, the table in docs/helm.md
	@$(BIN)/python -m carthub_dev.chart

.PHONY: clean
clean: ## Remove what the targets made in the checkout (caches outside it stay)
	@rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
