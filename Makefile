# What there is to do here. `make help` lists it.

CARGO ?= cargo
MERIDIAN = $(CARGO) run --locked --quiet --release --package meridian --
BENCH = $(CARGO) run --locked --quiet --profile bench-final --package meridian -- bench

# The region that `make sim` makes up, and where its report goes.
HOSTS ?= 5000
HOURS ?= 24
REPORT ?= out/report.html

# Arguments for `make up`, such as UP="--hosts 100 --data-dir region".
UP ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-test up sim test bench lint clean

help: ## list what there is to do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' Makefile

setup: ## install what building needs and this machine lacks
	@scripts/install

setup-test:
	@scripts/install test

up: setup ## build, and run a region of simulated hosts on this machine until Ctrl-C
	$(CARGO) build --locked --release --package meridian
	$(MERIDIAN) up $(UP)

sim: setup ## build, simulate a day of a mid-sized region, write a report
	$(CARGO) build --locked --release --package meridian
	@mkdir -p "$(dir $(REPORT))"
	$(MERIDIAN) sim synthetic --hosts $(HOSTS) --hours $(HOURS) --report "$(REPORT)"
	@echo "The report is in $(abspath $(REPORT)): open it in a browser."

test: setup-test ## run all tests; those on real traces need MERIDIAN_DATA
	$(CARGO) test --locked --workspace

bench: setup ## build with all optimisations and print every figure against its goal
	$(CARGO) build --locked --profile bench-final --package meridian
	@set -e; \
	bench() { echo; echo "meridian bench $$*"; $(BENCH) "$$@"; }; \
	bench engine/basic; \
	bench engine/mixed; \
	bench engine/distinct; \
	bench engine/distinct --profile kubernetes; \
	bench engine/spread; \
	bench engine/anti-affinity; \
	bench engine/affinity; \
	bench engine/namespace-selector; \
	bench engine/gang; \
	bench engine/unschedulable; \
	bench engine/latency --class known; \
	bench engine/latency --class new; \
	bench engine/preempt; \
	bench engine/region; \
	bench replicas; \
	bench api/create; \
	bench api/create --tls; \
	bench region/bind; \
	bench region/deployment; \
	bench region/memory; \
	bench sim/synthetic; \
	bench global/divided; \
	bench global/whole; \
	bench global/large; \
	bench global/repair; \
	bench global/place; \
	if [ -n "$${MERIDIAN_DATA:-}" ]; then \
		bench sim/openb; \
		bench global/orlib; \
		bench global/assignment; \
	else \
		echo; echo "sim/openb, global/orlib and global/assignment are left out: MERIDIAN_DATA does not name a folder with data"; \
	fi

lint: setup-test ## check formatting, and lint with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

clean: ## remove what was built and simulated
	$(CARGO) clean
	rm -rf out
