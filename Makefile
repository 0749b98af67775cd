# Incendio: traces in, a proved bundle out.

GO        ?= go
BIN       ?= bin/incendio
STATIC    ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME  ?= 20s
SHARED_DATA ?= $(abspath ../shared)
PYTHON    ?= python3
VENV      := .venv-parity
# How long the nightly run on the real sample may take; raise it on a busy machine.
PARITY_LIMIT ?= 20m
# Packages that run goroutines; the race detector looks at these.
CONCURRENT := ./scheduler/... ./train/... ./features/... ./export/bundle/...

export CGO_ENABLED ?= 0
export SHARED_DATA

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/incendio
	$(GO) build -o $(BIN) ./cmd/incendio

.PHONY: run
run: build ## run the nightly job on the embedded synthetic trace
	$(BIN) run

.PHONY: test
test: ## run the tests: no network, nothing but Go
	$(GO) test ./...
	cd examples/embed && $(GO) test ./...

.PHONY: race
race: ## run the tests of the concurrent packages under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -timeout 40m $(CONCURRENT)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags parity ./...
	$(GO) vet -tags bench ./...
	$(GO) vet -tags soak ./scheduler/runner
	cd examples/embed && $(GO) vet ./...
	$(GO) run $(STATIC) ./...

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Every run is a process of its own, and the two programs alternate.
.PHONY: bench-gbdt
bench-gbdt: ## train the same trees with LightGBM and with train/gbdt, and compare
	@$(MAKE) --no-print-directory $(VENV)/ok
	PARITY_PYTHON=$(abspath $(VENV))/bin/python $(GO) test -tags bench -count=1 -timeout 2h -v -run '^TestBenchLightGBM$$' ./train/gbdt

# Prophet is a process for each run, and the two programs alternate.
.PHONY: bench-prophet
bench-prophet: ## fit and predict with Prophet and with features/prophet, and stream fleets
	@$(MAKE) --no-print-directory $(VENV)/ok
	PARITY_PYTHON=$(abspath $(VENV))/bin/python SHARED_DATA=$(abspath $(SHARED_DATA)) \
	  $(GO) test -tags bench -count=1 -timeout 1h -v -run '^TestBench(Prophet|Fleet|Features)$$' ./features/prophet/fit ./pipelines

.PHONY: bench-forecast
bench-forecast: ## the table of forecasters in docs/models.md: BENCH_SERIES=azure,R1,R2,R4,function9d,functions5d,days5,sample500 and BENCH_MODELS=a,b take some
	SHARED_DATA=$(abspath $(SHARED_DATA)) $(GO) test -tags bench -count=1 -timeout 2h -v -run '^TestBenchForecast$$' ./train/forecast

# The peers have a virtual environment of their own: statsforecast needs an older pandas than those of parity.
PEERS := .venv-forecast

.PHONY: peers-forecast
peers-forecast: ## LightGBM with lags, Prophet and models of statsforecast beside ours: BENCH_SERIES=a,b and BENCH_PEERS=a,b take some
	@$(MAKE) --no-print-directory $(PEERS)/ok
	PARITY_PYTHON=$(abspath $(PEERS))/bin/python SHARED_DATA=$(abspath $(SHARED_DATA)) \
	  $(GO) test -tags bench -count=1 -timeout 8h -v -run '^TestBenchPeers$$' ./train/forecast

$(PEERS)/ok: parity/requirements-forecast.txt
	@rm -rf $(PEERS)
	$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: -r parity/requirements-forecast.txt || \
	  { echo "peers-forecast: pip could not install the peers of parity/requirements-forecast.txt"; exit 1; }
	@touch $@

TRACE ?= synthetic

.PHONY: bench-decisions
bench-decisions: build ## the matrix of policies over loads, memory and CPU of starts, 5 seeds: TRACE=name of a trace in the store
	$(BIN) reproduce decisions --seeds 5 $(if $(filter-out synthetic,$(TRACE)),--trace $(TRACE)) $(if $(BUNDLE),--bundle $(BUNDLE))

.PHONY: bench-dispatch
bench-dispatch: build ## regret and time of the solutions of the static problem, on what waits in a replay: TRACE=name of a trace in the store
	$(BIN) reproduce dispatch $(if $(filter-out synthetic,$(TRACE)),--trace $(TRACE))

.PHONY: bench-sim
bench-sim: ## replay under policies: rates, cold starts and drops, and beside SimPy
	@$(MAKE) --no-print-directory $(VENV)/ok
	$(GO) test -run '^$$' -bench '^BenchmarkRun$$' -benchtime 2x ./scheduler/sim
	$(GO) test -run '^$$' -bench '^(BenchmarkOverload|BenchmarkFunctions)$$' -benchtime 1x ./scheduler/sim
	$(GO) test -run '^$$' -bench '^BenchmarkExact/memory=512MB' -benchtime 200x ./scheduler/knapsack
	PARITY_PYTHON=$(abspath $(VENV))/bin/python $(GO) test -tags bench -count=1 -v -run '^TestBenchSimPy$$' ./scheduler/sim

# How long the scheduler is run at full rate.
SOAK ?= 1h

.PHONY: soak
soak: ## run the scheduler at full rate for SOAK: memory stays flat, no goroutine is left
	SOAK=$(SOAK) $(GO) test -tags soak -count=1 -timeout 0 -v -run '^TestSoak$$' ./scheduler/runner

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do \
	  for f in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
	    echo "$$dir $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$dir; done; done

.PHONY: fmt
fmt: ## format the Go code
	gofmt -w .

$(VENV)/ok: parity/requirements.txt
	@rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: -r parity/requirements.txt || \
	  { echo "parity: pip could not install the peers of parity/requirements.txt"; exit 1; }
	@touch $@

# The tests of the files with the build tag parity, and no others; one package after the
# other, because some of them have a time limit.
.PHONY: parity
parity: ## check against real peers and the real traces in SHARED_DATA
	@for d in data golden corpora; do test -d "$(SHARED_DATA)/$$d" || \
	  { echo "parity: SHARED_DATA is $(SHARED_DATA), which has no folder $$d: it must hold the real traces (data), the reference results (golden) and hostile files (corpora)"; exit 1; }; done
	@$(MAKE) --no-print-directory $(VENV)/ok
	@$(VENV)/bin/python parity/peers.py
	@{ code=0; for dir in $$(grep -rl --include='*_test.go' '^//go:build parity$$' . | xargs -n 1 dirname | sort -u); do \
	    tests=$$(grep -l '^//go:build parity$$' $$dir/*_test.go | xargs grep -ho '^func Test[A-Za-z0-9_]*(t ' | sed 's/^func //; s/(t //' | paste -sd '|' -); \
	    PARITY_PYTHON=$(abspath $(VENV))/bin/python PARITY_LIMIT=$(PARITY_LIMIT) SHARED_DATA=$(abspath $(SHARED_DATA)) \
	      $(GO) test -count=1 -timeout 60m -tags parity -v -run "^($$tests)\$$" $$dir 2>&1 || code=1; \
	  done; echo "exit $$code"; } | \
	awk '/^exit [0-9]+$$/ { code = $$2; next } /^=== / { name = $$3; next } /^ *--- PASS/ { passed++ } /^ *--- FAIL/ { failed++ } \
	  /^PASS$$|^    --- PASS/ { next } /^    [a-z0-9_]+\.go:[0-9]+: / { sub(/^ */, "  " name ": ") } { print; fflush() } \
	  END { if (code) print "parity: FAILED: " passed+0 " checks hold, " failed+0 " do not"; else print "parity: all " passed " checks hold"; exit code }'

.PHONY: bench-ingest
bench-ingest: build ## time the ingest of a full-size day against DuckDB
	@$(MAKE) --no-print-directory $(VENV)/ok
	@$(VENV)/bin/python parity/bench_ingest.py --program $(BIN)

.PHONY: notebooks
notebooks: build ## execute the notebooks headless
	bash notebooks/execute.sh

.PHONY: clean
clean: ## remove what the targets above made
	rm -rf bin $(VENV) $(PEERS)
