# The commands that README names. `make help` lists them.
SHELL := /bin/bash
PORT ?= 8080
DOCS ?= Examples/handbook
MODEL ?= qwen2.5-coder-0.5b-instruct
BIN := .build/release/strata
SOURCES := $(shell find Sources Prompts Models -type f 2>/dev/null) Package.swift

KERNEL_TESTS := (Kernel[A-Za-z]*Tests|ModelQuantizerTests)

.PHONY: help run test check format lint bench clean tools

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN): $(SOURCES)
	@scripts/bootstrap
	swift build -c release --product strata
	@touch $(BIN)

run: $(BIN) ## build, fetch the models, ingest DOCS, serve on PORT
	@$(BIN) up $(DOCS) --model $(MODEL) --port $(PORT)

test: ## the whole test suite, in release
	@scripts/bootstrap
	swift build -c release --build-tests
	@scripts/test-models
	@# Kernel tests switch the instruction set of their whole process, so they have one of their own; servers are timed, so the rest takes turns.
	@scripts/run-tests --filter '$(KERNEL_TESTS)'
	@scripts/run-tests --no-parallel --skip '$(KERNEL_TESTS)'

check: lint test ## format, architecture, documentation coverage, tests
	@scripts/docs-coverage

lint: ## check the formatting
	swift format lint --strict --recursive --parallel Sources Tests Package.swift

format: ## format every file
	swift format --in-place --recursive --parallel Sources Tests Package.swift

bench: $(BIN) ## the side-by-side benchmarks (see Benchmarks/README.md)
	@Benchmarks/run

clean: ## forget every build product
	rm -rf .build
