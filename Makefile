# `make` alone lists the targets. Needs Python 3.11 or newer and GNU make 3.81 or newer; everything else goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
EMULATED := .venv-emulator
CODE := $(wildcard src tests benchmarks tools)
WORKERS ?= auto

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check format format-check lint types schema reference picture benchmark package lock clean

# An environment whose set-up was cut short, whose Python is gone, or that was made in another folder (its scripts would
# run that folder's code) loses its stamps here, before make looks at them, and is made anew.
IGNORED := $(shell [ -x $(BIN)/python ] && [ ! -e $(VENV)/.unfinished ] && \
	[ "$$(cat $(VENV)/.made-in 2>/dev/null)" = "$$(pwd -P)" ] || \
	rm -f $(VENV)/.made-in $(VENV)/.demo-ready $(VENV)/.dev-ready; \
	[ -x $(EMULATED)/bin/python ] && [ -e build/lambda/here ] || rm -f $(EMULATED)/.ready)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.demo-ready ## install into .venv, then scan the embedded demo organisation, change it, take it back
	@$(BIN)/sg-compliance demo

test: $(VENV)/.dev-ready $(EMULATED)/.ready ## all tests, with branch coverage (on all processors; WORKERS=0 for one process)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup --cov --cov-report=term $(PYTEST_ARGS)

check: format-check lint types test ## format, lint, types and tests: all a change must pass

format: $(VENV)/.dev-ready ## rewrite the code in the one format
	@$(BIN)/ruff check --quiet --select I --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

format-check: $(VENV)/.dev-ready
	@$(BIN)/ruff format --check $(CODE)

lint: $(VENV)/.dev-ready ## ruff, all rules; each exception is explained in pyproject.toml
	@$(BIN)/ruff check $(CODE)

types: $(VENV)/.dev-ready ## mypy, strict
	@$(BIN)/mypy $(CODE)

schema: $(VENV)/.demo-ready ## write config/policy.schema.json anew from the models
	@$(BIN)/sg-compliance policy schema > $(VENV)/policy.schema.json
	@mv $(VENV)/policy.schema.json config/policy.schema.json

reference: $(VENV)/.demo-ready ## write docs/cli.md anew from the help texts, and terraform/README.md from its variables
	@$(BIN)/python tools/cli_reference.py
	@$(BIN)/python tools/terraform_reference.py

picture: $(VENV)/.demo-ready ## draw the README's terminal picture from a real run of the demo
	@$(BIN)/python tools/picture.py docs/demo.svg

benchmark: $(VENV)/.dev-ready ## speed and memory, beside other tools
	@$(BIN)/python -m benchmarks

LAMBDA_PYTHON ?= 3.12
LAMBDA_ARCH ?= arm64

package: $(VENV)/.made-in ## build the Lambda's zip in dist/ (LAMBDA_PYTHON=3.12 LAMBDA_ARCH=arm64, or x86_64)
	@$(BIN)/python tools/package.py --python $(LAMBDA_PYTHON) --arch $(LAMBDA_ARCH)

# MiniStack pins its own botocore and runs functions with its own Python, so it lives apart from the rest.
EMULATOR := awslambdaric boto3 ministack==1.5.33

# The oldest supported Python makes the locks: what newer ones need is then a subset. UPGRADE=--upgrade takes new versions.
LOCK_PYTHON ?= python3.11
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" .venv-lock/bin/pip-compile --quiet --generate-hashes \
	--allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE)

lock: ## write the hash-locked requirements anew (UPGRADE=--upgrade takes new versions)
	@$(LOCK_PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet pip-tools
	@$(PIP_COMPILE) --all-extras --build-deps-for wheel --output-file requirements-dev.lock pyproject.toml
	@$(PIP_COMPILE) --extra demo --build-deps-for wheel --constraint requirements-dev.lock \
		--output-file requirements.lock pyproject.toml
	@.venv-lock/bin/python tools/package.py --requirements | $(PIP_COMPILE) --constraint requirements-dev.lock \
		--output-file requirements-lambda.lock -
	@printf '%s\n' $(EMULATOR) | $(PIP_COMPILE) --output-file requirements-emulator.lock -

clean: ## remove everything that make made
	@rm -rf $(VENV) $(EMULATED) .venv-lock .benchmarks .coverage htmlcov dist build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the environment ----

# Prints the first Python that runs, is new enough and can make environments; else says what is missing.
# It is tried by running it: the stand-ins of version managers exist but may not run.
define find_python
found=; old=; bare=; \
for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
	"$$python" -c 'import sys' >/dev/null 2>&1 || continue; \
	version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old="$$old $$python is $$version."; continue; }; \
	"$$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || { bare=$$version; continue; }; \
	found=$$python; break; \
done; \
if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	echo "error: Python $$bare is here, but without its venv and ensurepip modules" >&2; \
	echo "help: on Debian or Ubuntu: apt install python$$bare-venv; then run make again" >&2; exit 1; \
elif [ -z "$$found" ]; then \
	echo "error: Python 3.11 or newer is needed, and none was found.$$old" >&2; \
	echo "help: apt install python3 python3-venv (Debian, Ubuntu), dnf install python3.12 (Fedora, RHEL)" \
		"or brew install python (macOS); or name one: make PYTHON=/path/to/python3" >&2; exit 1; \
fi
endef

# $(call quietly,COMMAND): its output is seen only if it fails.
define quietly
{ $(1); } >$(VENV)/setup.log 2>&1 || { tail -n 25 $(VENV)/setup.log >&2; \
	echo "error: the set-up stopped; all it said is in $(VENV)/setup.log" >&2; \
	echo "help: mend what the lines above name (a network, a full disk, a proxy), then run make again" >&2; exit 1; }
endef

# $(call install,LOCK): exactly the locked files, then this project beside them, to be imported from src/.
define install
@echo "Installing what $(1) lists (once; later runs skip this)"
@touch $(VENV)/.unfinished
@$(call quietly,$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(1))
@$(call quietly,$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .)
@rm $(VENV)/.unfinished
endef

$(VENV)/.made-in:
	@$(find_python); \
	if [ -e $(VENV) ]; then echo "Replacing $(VENV): it was not finished, or not made here"; rm -rf $(VENV); fi; \
	mkdir $(VENV) && touch $(VENV)/.unfinished && \
	echo "Making $(VENV) with $$("$$found" -V)" && \
	$(call quietly,"$$found" -m venv $(VENV)) && \
	rm $(VENV)/.unfinished && pwd -P > $@

$(VENV)/.demo-ready: $(VENV)/.made-in requirements.lock pyproject.toml
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.made-in requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.demo-ready

# What stands in for AWS in tests of the Lambda: the emulator, and the wheels that the function's package imports.
$(EMULATED)/.ready: $(VENV)/.made-in requirements-emulator.lock requirements-lambda.lock
	@echo "Installing what requirements-emulator.lock and requirements-lambda.lock list (once; later runs skip this)"
	@rm -rf $(EMULATED)
	@$(call quietly,$(BIN)/python -m venv --without-pip $(EMULATED))
	@$(call quietly,$(BIN)/python -m pip --python $(EMULATED)/bin/python install --disable-pip-version-check \
		--require-hashes -r requirements-emulator.lock)
	@$(call quietly,$(BIN)/python tools/package.py --arch here --dependencies-only)
	@touch $@
