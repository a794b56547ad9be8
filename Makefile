# Eight commands; CI calls the same. `make help` lists them.
PY := .venv/bin/python
ARGS ?=

.PHONY: help setup demo unit test check bench
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10
