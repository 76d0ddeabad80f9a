# Every command of the project. `make` alone lists them; each works on a fresh clone.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
EXTRAS := sms-spam,dashboard,cmaes,postgres,connect,dev
UV := uv==0.13.9
BESIDE := --numprocesses 2 --dist worksteal
BENCHMARKS = $(sort $(wildcard benchmarks/[!_]*.py))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo check test quick faults clusters bench reference lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## install the project and its tools into .venv (PYTHON=python3.12 picks the Python)

demo: setup demo/sms-spam.toml ## search the SMS Spam Collection, in the folder demo
	cd demo && ../$(BIN)/search launch sms-spam.toml

check: setup ## lint, formatting, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: setup ## all tests but the long faults, the slow ones too (needs Java, PostgreSQL and a Chromium)
	@tools/setup-java --require
	@tools/setup-postgres
	@tools/setup-chromium
	$(BIN)/pytest $(BESIDE) -m "not faults and not clusters"

quick: setup ## the tests that start no real processes
	$(BIN)/pytest -m "not slow and not faults and not clusters"

faults: setup ## what `make test` leaves out: hundreds of real kills, and the longest (needs Java, and root for a tmpfs)
	@tools/setup-java --require
	@tools/setup-postgres
	$(BIN)/pytest -m faults

clusters: setup ## studies over SSH, through Slurm and with Kubernetes' specification (needs root on Debian)
	@tools/setup-clusters $(BIN)/python
	$(BIN)/pytest tests/clusters

bench: setup ## every benchmark against its bounds; goes on after a miss and fails at the end
	@missed=; \
	for benchmark in $(BENCHMARKS); do \
		echo "$$benchmark"; \
		$(BIN)/python $$benchmark --check || missed="$$missed $$benchmark"; \
	done; \
	test -z "$$missed" || { echo "missed:$$missed" >&2; exit 1; }

reference: setup ## write the reference pages in docs from the code
	$(BIN)/python -m studies.sections.reference
	$(BIN)/python -m studies.records.schema_page

lock: $(BIN)/uv ## pin the newest versions that pyproject.toml allows, in constraints.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 \
		$(foreach extra,$(subst $(comma), ,$(EXTRAS)),--extra $(extra)) --no-annotate --no-header \
		--output-file .venv/lock.txt pyproject.toml
	@{ echo "# The versions that the project is installed and tested with, on Python 3.11 to 3.13."; \
		echo "# Written by \`make lock\` from pyproject.toml; don't edit."; \
		sed 's/ *;.*//' .venv/lock.txt; } > constraints.txt
	@cut -d= -f1 constraints.txt | sort | uniq -d | \
		{ ! grep . || { echo "pinned twice: narrow it in pyproject.toml" >&2; exit 1; }; }

clean: ## remove caches and build leftovers (.venv and demo stay)
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find benchmarks search studies tests workers -name __pycache__ -prune -exec rm -rf {} +

comma := ,

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
		echo "the project needs Python 3.11 to 3.13, and $(PYTHON) is $$($(PYTHON) -V 2>/dev/null || echo missing);" \
			"name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check $(UV)

# uv takes a fraction of pip's time but doesn't read pip's configuration (mirrors, certificates): where
# that is needed, pip installs the same.
$(INSTALLED): $(BIN)/uv pyproject.toml constraints.txt
	@echo "Installing the project into .venv (about 3 GB) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraints constraints.txt \
			--build-constraints constraints.txt --editable '.[$(EXTRAS)]' || { \
		echo "uv could not install it; trying pip, which takes some minutes ..." >&2; \
		$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt \
			--editable '.[$(EXTRAS)]'; }
	@tools/setup-java
	@touch $@

demo/sms-spam.toml: | $(INSTALLED)
	@mkdir -p demo
	cd demo && ../$(BIN)/search init sms-spam
