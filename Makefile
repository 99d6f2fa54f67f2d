# What can be done here. `make demo` and `make test` install what they need first.

PYTHON := .venv/bin/python

.PHONY: help demo test lint bench audit chaos soak install clean

help:
	@echo "make demo    a real Orthanc, a real FHIR server, the index between them   (KEEP=1 leaves them running)"
	@echo "make test    every test, on servers that it starts itself"
	@echo "make lint    style and types"
	@echo "make bench   speed and memory; takes a while, prints how it measured"
	@echo "make audit   100,000 studies through the mapping; with DEFINITIONS=folder each preset against its profiles"
	@echo "make chaos   random kills of the program and its servers; MINUTES=45 by default"
	@echo "make soak    one daemon under faults, its memory, threads and descriptors; MINUTES=120 by default"

install:
	@scripts/install-system.sh
	@scripts/install-python.sh

demo: install
	@$(PYTHON) -m scripts.demo

test: install
	@scripts/test.sh

lint: install
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

bench: install
	@$(PYTHON) -m bench

audit: install
	@$(PYTHON) -m pytest -s tests/audit/audit_mapping.py $(if $(DEFINITIONS),tests/audit/audit_presets.py)

chaos: install
	@$(PYTHON) -m tests.chaos kills --minutes $(or $(MINUTES),45) $(if $(SEED),--seed $(SEED))

soak: install
	@$(PYTHON) -m tests.chaos soak --minutes $(or $(MINUTES),120) $(if $(SEED),--seed $(SEED))

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
