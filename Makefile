# Incendio: traces in, a proved bundle out.

GO        ?= go
BIN       ?= bin/incendio
STATIC    ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME  ?= 20s
SHARED_DATA ?= $(abspath ../shared)
VENV      := .venv-parity
# Packages that run goroutines; the race detector looks at these.
CONCURRENT := ./scheduler/... ./train/... ./features/... ./export/bundle/...

export CGO_ENABLED ?= 0
export SHARED_DATA

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/incendio
	$(GO) build -o $(BIN) ./cmd/incendio

.PHONY: run
run: build ## run the nightly job on the embedded synthetic trace
	$(BIN) run

.PHONY: test
test: ## run the tests: no network, nothing but Go
	$(GO) test ./...

.PHONY: race
race: ## run the tests of the concurrent packages under the race detector
	CGO_ENABLED=1 $(GO) test -race -short $(CONCURRENT)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags parity ./...
	$(GO) run $(STATIC) ./...

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do \
	  for f in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
	    echo "$$dir $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$dir; done; done

.PHONY: fmt
fmt: ## format the Go code
	gofmt -w .

$(VENV)/ok: parity/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r parity/requirements.txt
	touch $@

.PHONY: parity
parity: build $(VENV)/ok ## check against real peers and the real traces in SHARED_DATA
	@test -d "$(SHARED_DATA)/golden" || { echo "SHARED_DATA=$(SHARED_DATA): the real traces and golden files are not there"; exit 1; }
	PARITY_PYTHON=$(abspath $(VENV))/bin/python $(GO) test -count=1 -tags parity -run Parity ./...

.PHONY: notebooks
notebooks: build ## execute the notebooks headless
	bash notebooks/execute.sh

.PHONY: clean
clean: ## remove what the targets above made
	rm -rf bin $(VENV)
