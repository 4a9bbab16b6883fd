# What one does with this repository. `make` alone says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/skyplan
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
PEERS := $(CACHE)/tools/place-peers-1
# `--features highs` where HiGHS can be built; HIGHS=no asks for the pure-Rust build.
WITH_HIGHS = $(if $(filter no,$(HIGHS)),,$(if $(shell scripts/highs.sh >/dev/null && echo yes),--features highs))
KUBECTL = $(CACHE)/control-plane/current/kubectl

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: control-plane
control-plane: ## Build the Kubernetes control plane for local clusters (once; about 4 minutes)
	@testdata/control-plane/build.sh >/dev/null

.PHONY: tools
tools: ## Install kustomize and helm, and the servers that skyplan is tested against (once)
	@scripts/tools.sh

.PHONY: build
build: ## Build skyplan
	cargo build --locked

.PHONY: build-highs
build-highs: ## Build skyplan with HiGHS, optimised (cmake, a C++ compiler and libclang; 10 minutes the first time)
	@scripts/highs.sh
	cargo build --release --locked --features highs

.PHONY: release
release: ## Build skyplan optimised, with HiGHS where it can be built
	@$(if $(WITH_HIGHS),,scripts/highs.sh || true)
	cargo build --release --locked $(WITH_HIGHS)

.PHONY: check
check: ## Format, lints, pure tests and goldens
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --lib --locked
	cargo test --test it --locked pure::

.PHONY: test
test: control-plane tools $(DENY) ## Everything: check, real control planes, licences, docs
	@DENY=$(DENY) scripts/test.sh

$(DENY):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --root $(CACHE)/tools/cargo-deny-$(DENY_VERSION)

# Parts of test-full, each a target `full-<part>`.
PARTS := place hostile kill race truth

.PHONY: test-full $(PARTS:%=full-%)
test-full: $(or $(PART:%=full-%),$(PARTS:%=full-%)) ## The random suites at full counts (40 minutes); one with PART=place, hostile, race, kill or truth (SEED=n)

full-place:
	SKYPLAN_CASES=3000 cargo test --lib --locked place::
	@$(if $(WITH_HIGHS),,scripts/highs.sh || true)
	$(if $(WITH_HIGHS),SKYPLAN_CASES=3000 cargo test --release --lib --locked $(WITH_HIGHS) place::,@echo "not run with HiGHS")

full-hostile:
	SKYPLAN_HOSTILE_SECONDS=600 cargo test --test it --locked hard:: -- --nocapture

full-kill: control-plane tools
	SKYPLAN_KILLS=$${SKYPLAN_KILLS:-20} SKYPLAN_POINTS=$${SKYPLAN_POINTS:-100} SKYPLAN_CUTS=$${SKYPLAN_CUTS:-40} \
	  SKYPLAN_CLOUD_KILLS=$${SKYPLAN_CLOUD_KILLS:-300} SKYPLAN_FULL_DISK=all $(if $(SEED),SKYPLAN_SEED=$(SEED)) \
	  SKYPLAN_FAR_KILLS=$${SKYPLAN_FAR_KILLS:-12} \
	  cargo test --test it --locked -- --include-ignored --nocapture --test-threads=1 \
	  real::kill real::cloud real::full_disk real::far_state

full-race: control-plane tools
	SKYPLAN_RACE_SECONDS=60 cargo test --test it --locked real::race -- --include-ignored --nocapture --test-threads=1

full-truth: control-plane
	SKYPLAN_TRUTH=$${SKYPLAN_TRUTH:-5000} $(if $(SEED),SKYPLAN_SEED=$(SEED)) \
	  cargo test --test it --locked real::truth -- --nocapture

.PHONY: bless
bless: ## Write the goldens and schemas anew; read the diff before you commit it
	SNAPSHOTS=overwrite cargo test --lib --locked golden_
	SNAPSHOTS=overwrite cargo test --test it --locked pure::
	SNAPSHOTS=overwrite cargo test --lib --locked cli::help
	SNAPSHOTS=overwrite cargo test --test it --locked pages_show

.PHONY: bless-codes
bless-codes: ## The goldens of codes that take a real cluster, too
	SNAPSHOTS=overwrite cargo test --test it --locked golden_codes_on_a_cluster
	SNAPSHOTS=overwrite cargo test --test it --locked pages_show

.PHONY: bench
bench: ## Times of placements, of large plans, and on real API servers; an hour and more; never in CI
	cargo bench --locked $(WITH_HIGHS) --bench placement --bench scale
	$(MAKE) bench-k8s

.PHONY: bench-k8s
bench-k8s: control-plane ## Plans and applies on real API servers beside kubectl (BENCH=quick: 8 minutes); never in CI
	cargo bench --locked --bench kubernetes

.PHONY: bench-state
bench-state: ## Applies and plans of nothing but state, beside Terraform; about 10 minutes; never in CI
	cargo bench --locked --bench state

.PHONY: bench-place
bench-place: ## Placement on skybench-1, all sizes, both builds; about 40 minutes; never in CI
	cargo bench --locked --bench skybench
	@$(if $(WITH_HIGHS),,scripts/highs.sh || true)
	$(if $(WITH_HIGHS),cargo bench --locked $(WITH_HIGHS) --bench skybench,@echo "not measured with HiGHS")

.PHONY: tools-peers
tools-peers: $(PEERS)/installed ## SkyPilot and PuLP in an environment of their own, for bench-place-peers (460 MB)

$(PEERS)/installed: benches/peers/requirements.txt
	python3 -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement $<
	touch $@

.PHONY: bench-place-peers
bench-place-peers: ## How long SkyPilot and SkyCluster's form take for what placement solves (20 minutes at most)
	python3 -B benches/peers/run.py --python $(PEERS)/bin/python $(ARGS)

.PHONY: demo
demo: control-plane ## Three clusters, placed, priced and applied, on this machine
	@cargo build --locked
	@scripts/demo.sh

.PHONY: demo-down
demo-down: ## Take the demo away
	@scripts/demo.sh down
