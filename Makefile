# Everything a person or CI runs. `make` alone lists it.

CARGO ?= cargo
# The tests need a kernel with IPVS: `vm` uses this machine's if it has one and you are root, else
# it boots a small virtual machine. Debian packages come by themselves (integration/deps.sh).
VM = $(CARGO) run --quiet --package integration --bin vm --

.PHONY: help deps build fmt fmt-check clippy doc test test-unit test-integration lab shell deny \
        advisories bench-ipvs bench-checkers bench-failover bench-instances \
        bench-plan ci fuzz

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

deps: ## fetch what the lab and the integration tests need (they do so by themselves)
	@$(VM) deps

build: ## build lvsd and lvsctl for use: target/release/
	$(CARGO) build --release --package lvsd --package lvsctl

fmt: ## format the source
	$(CARGO) fmt --all

fmt-check: ## is the source formatted?
	$(CARGO) fmt --all --check

clippy: ## lints, without a single warning
	$(CARGO) clippy --workspace --all-targets --quiet -- --deny warnings

doc: ## build the documentation, without a single warning
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --workspace --no-deps --quiet

test: test-unit test-integration ## all tests

test-unit: ## unit, vector and simulation tests: no privileges, any kernel
	$(CARGO) test

test-integration: ## tests on a kernel with IPVS; FILTER=text runs those whose names contain it
	@$(VM) test $(FILTER)

lab: ## a running cluster to play with; without a terminal it shows three things and ends
	@$(CARGO) build --package lvsd --package lvsctl
	@$(CARGO) run --quiet --package integration --bin lab

bench-ipvs: ## how fast lvsd fills the kernel's table, beside ipvsadm; what it takes to keep it
	@$(VM) bench ipvs

bench-checkers: ## what thousands of checks cost, beside keepalived; how late they and the adverts are
	@$(VM) bench checkers

bench-failover: ## how long a client is without the VIP, beside keepalived; needs root
	$(CARGO) build --release --package lvsd --package lvsctl
	$(CARGO) bench --package integration --bench failover

bench-instances: ## what 255 virtual routers cost, beside keepalived; needs root, takes 20 minutes
	$(CARGO) build --release --package lvsd --package lvsctl
	$(CARGO) bench --package integration --bench instances

bench-plan: ## how planning alone grows with the table
	$(CARGO) bench --package engine --bench plan

shell: ## a root shell on a kernel with IPVS
	@$(VM) shell

# libFuzzer, on the stable compiler: these flags are what `cargo fuzz --sanitizer none` sets.
FUZZ_FLAGS = --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
FUZZ_HOST := $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_TARGETS := $(basename $(notdir $(wildcard crates/checkers/fuzz/fuzz_targets/*.rs)))
FUZZ ?= $(FUZZ_TARGETS)
SECONDS_EACH ?= 60

fuzz: ## fuzz all that reads what others send; FUZZ="dns smtp" SECONDS_EACH=600 for some, longer
	@command -v c++ >/dev/null || { echo "fuzz: libFuzzer needs a C++ compiler: apt-get install g++"; exit 1; }
	RUSTFLAGS='$(FUZZ_FLAGS)' $(CARGO) build --release --target $(FUZZ_HOST) \
	    --manifest-path crates/checkers/fuzz/Cargo.toml --target-dir target/fuzz
	@set -e; for target in $(FUZZ); do \
	    echo "fuzz: $$target for $(SECONDS_EACH) s"; \
	    mkdir -p target/fuzz/corpus/$$target; \
	    seeds=crates/checkers/fuzz/seeds/$$target; [ -d $$seeds ] || seeds=; \
	    target/fuzz/$(FUZZ_HOST)/release/$$target target/fuzz/corpus/$$target $$seeds \
	        -max_total_time=$(SECONDS_EACH) -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
	        -print_final_stats=1 -verbosity=0 -artifact_prefix=target/fuzz/$$target-; \
	done

deny: target/tools/bin/cargo-deny ## licences, sources and duplicates of all dependencies
	$< --all-features check bans licenses sources

advisories: target/tools/bin/cargo-deny ## known holes in dependencies (asks the RustSec database)
	$< --all-features check advisories

target/tools/bin/cargo-deny:
	$(CARGO) install --locked --root target/tools cargo-deny

ci: ## all of the above that a commit must pass: what CI runs
	.ci/run
