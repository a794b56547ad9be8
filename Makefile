# A few commands, one line each where they can be; CI calls the same. `make help` lists them.
PY := .venv/bin/python
PYTEST := .venv/bin/pytest
FAST := tests/unit tests/policy tests/translation tests/properties tests/protocol tests/security
ARGS ?=
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: help setup demo demo-kind unit test check generate fuzz bench scale e2e cluster-up cluster-down images

help: ## print this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: .venv/.ready ## create .venv with everything that development needs

.venv/.ready: requirements-dev.lock pyproject.toml
	@echo "Setting up .venv (about a minute, once) ..."
	python3 -m venv .venv
	$(PY) -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements-dev.lock | grep -vE '^(Requirement already|  Using cached)' || true
	$(PY) -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## watch an agent log in, consent, call tools and be refused (ARGS=--serve keeps it running)
	@$(PY) -m ostiary_cli.main demo $(ARGS)

demo-kind: setup ## the same in a Kubernetes cluster with the operator (ARGS=--keep keeps it until Ctrl-C)
	@PYTHONPATH=tests $(PY) -m e2e.demo_kind $(ARGS)

unit: setup ## the fast tests: no Node, no browser, no network
	$(PYTEST) -q -n 2 --dist loadfile $(FAST) $(ARGS)

test: setup ## every test but benches and e2e; installs the real parts it needs
	$(PY) tests/setup_parts.py
	$(PYTEST) -n 2 --dist loadfile --ignore tests/bench --ignore tests/e2e tests $(ARGS)

check: setup ## format, lint, types, layers, generated files
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/mypy --config-file tests/mypy.ini tests
	.venv/bin/lint-imports
	$(PY) -m ostiary_cli.generate --check

generate: setup ## write the generated files anew
	$(PY) -m ostiary_cli.generate

fuzz: setup ## feed readers and peers hostile bytes for a while (ARGS='--minutes 10')
	@PYTHONPATH=tests $(PY) -m fuzz.run $(ARGS)

bench: setup ## measure; prints medians of interleaved runs
	$(PY) tests/bench/run.py $(ARGS)

scale: setup ## measure 1,000 routes on a real cluster of three proxies
	$(PY) tests/bench/scale.py

e2e: setup ## the tests on a real Kubernetes cluster; builds it and the images once
	@PYTHONPATH=tests $(PY) -m e2e.prepare
	$(PYTEST) -n auto tests/e2e $(ARGS)

cluster-up: setup ## start that cluster and leave it up (Linux, root, Go)
	@PYTHONPATH=tests $(PY) -m e2e.cluster up

cluster-down: ## end it
	@PYTHONPATH=tests $(PY) -m e2e.cluster down

images: ## build the three images with docker (ARGS='--build-arg BASE=...')
	docker build $(ARGS) -f proxy/Dockerfile -t ostiary-proxy:$(VERSION) .
	docker build $(ARGS) -f operator/Dockerfile -t ostiary-operator:$(VERSION) .
	docker build $(ARGS) -f cli/Dockerfile -t ostiary-demo:$(VERSION) .
