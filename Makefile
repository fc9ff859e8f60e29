# Every verb sets up what it needs; a second run installs nothing again.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# Three processes on two cores, as Terraform waits more than it works; in the order of tests/conftest.py.
SHARED := --numprocesses 3 --dist loadscope --no-loadscope-reorder
export KEEP RIDES PORT ARCH EVENT MINUTES HISTORIES SEED RUNS

.PHONY: help setup demo soak chaos simulate fuzz up down mlflow package invoke test test-all test-terraform test-fast lint format bench lock clean

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

setup: ## Make the virtual environments, where they are missing or out of date
	@infra/environments.sh

demo: setup ## Run the whole: LocalStack, train, package, apply, send, watch, count, redrive, destroy  [KEEP=1] [RIDES=file] [PORT=n]
	@$(PYTHON) -m infra demo

soak: setup ## Send rides for MINUTES at the highest rate that the stack holds, and lose none  [MINUTES=10] [PORT=n]
	@$(PYTHON) -m infra soak

chaos: setup ## Send rides for MINUTES while functions are killed and S3 and Kinesis fail, and lose none  [MINUTES=10] [SEED=1] [PORT=n]
	@$(PYTHON) -m infra chaos

simulate: setup ## Run HISTORIES of faults on a virtual clock, and lose no ride in any  [HISTORIES=1000] [SEED=1]
	@$(PYTHON) -m stream_sim simulate

fuzz: setup ## Feed decoders and readers what nobody would send, RUNS times each  [RUNS=1000000]
	@$(PYTHON) -m tests.fuzz

up: setup ## Bring the whole up and leave it standing  [RIDES=file] [PORT=n]
	@$(PYTHON) -m infra up

down: setup ## Take down what stands
	@$(PYTHON) -m infra down

mlflow: setup ## Open MLflow's page on what was trained  [PORT=n]
	@$(PYTHON) -m training mlflow

package: setup ## Build each function's zip, the same bytes each time  [ARCH=x86_64|arm64]
	@$(PYTHON) -m infra package

invoke: setup ## Run the function here on one event, on AWS's runtime client  EVENT=file.json
	@$(PYTHON) -m infra invoke

test: lint ## Run the checks, and the tests that every change needs
	@$(PYTHON) -m pytest $(SHARED) -m "not thorough"

test-all: test ## Run the rest too: each command of README and docs, chaos, all mutants, benchmarks
	@$(PYTHON) -m pytest $(SHARED) -m thorough

test-terraform: setup ## Check the HCL, and plan, apply, change and destroy it on moto and LocalStack
	@$(PYTHON) -m infra check-terraform
	@$(PYTHON) -m pytest $(SHARED) tests/terraform

test-fast: setup ## Run those of `make test` that start no LocalStack
	@$(PYTHON) -m pytest $(SHARED) -m "not thorough and not localstack"

lint: setup ## Check format, code, types and Terraform
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/ruff check --quiet --preview --select PLW1514 . # files are UTF-8, whatever the locale
	@$(PYTHON) -m infra check-terraform & terraform=$$!; .venv/bin/mypy && wait $$terraform

format: setup ## Put code and Terraform into shape
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@terraform fmt -recursive terraform

bench: setup ## Measure the function, side by side with the naive way
	@$(PYTHON) -m tests.benchmarks

lock: setup ## Compile the pins anew, with hashes and without an index
	@infra/lock.sh

clean: ## Take down what stands, and remove all that was built, installed and written but models and trips
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m infra down
	rm -rf .uv .venv .localstack build out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find terraform -name .terraform -prune -exec rm -rf {} + -o -name .terraform.lock.hcl -exec rm -f {} +
	find . -name __pycache__ -prune -exec rm -rf {} +
