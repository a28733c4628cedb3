# dwsload: what to type. As root, or as a user who may use sudo.
#
#   make demo     install what is missing, build, and run the example job on the embedded server
#   make test     everything that CI checks: format, lints, tests, documentation
#   make bench    the benchmark, against psql; bench-memory: peak memory with a small and a large file
#   make setup    only install what is missing: a PostgreSQL server, a C compiler, Python with psycopg2
#                 and two clients of openGauss
#   make lint     format and lints alone

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := demo
.PHONY: demo test bench bench-memory setup lint server python

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
VENV := $(TARGET)/venv
# For tests, each beside dwsload: psycopg2, and two clients of Gauss servers.
PEERS := psycopg2-binary==2.9.13 py-opengauss==1.3.11 async-gaussdb==0.30.4
PYTHON := $(VENV)/bin/python

export CARGO_TARGET_DIR := $(TARGET)
export DWSLOAD_TEST_PYTHON := $(PYTHON)

demo: server
	@cargo build --release --locked
	$(TARGET)/release/dwsload jobs/orders.yaml

test: setup lint
	@cargo test --locked
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

bench: setup
	@cargo bench --locked

bench-memory: setup
	@cargo bench --locked --bench copy -- --memory

lint: server
	@cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

setup: server python

# as_root COMMAND...: as it says. install PACKAGE...: from Debian's packages, without a question.
define functions
as_root() {
	if [ "$$(id -u)" = 0 ]; then
		"$$@"
	else
		sudo "$$@"
	fi
}
install() {
	if ! command -v apt-get >/dev/null; then
		echo "please install, with your system's package manager: $$* (Debian's names)" >&2
		exit 1
	elif [ "$$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		echo "please install, as root: apt-get install $$*" >&2
		exit 1
	fi
	as_root apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$$@"
}
# Debian would also start a server for the whole system. It is told not to, if it was not yet.
install_server() {
	local no_cluster=/etc/postgresql-common/createcluster.d/dwsload.conf
	if command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then
		as_root mkdir -p "$${no_cluster%/*}"
		as_root tee "$$no_cluster" >/dev/null <<<'create_main_cluster = false'
		trap "as_root rm -f $$no_cluster" EXIT
	fi
	install "$$@"
}
endef

# The server's programs, of which dwsload and the tests start servers of their own, and what cargo
# needs for the C in ring and zstd.
server:
	@$(functions)
	missing=()
	command -v psql >/dev/null || missing+=(postgresql-client)
	command -v cc >/dev/null || missing+=(gcc libc6-dev)
	if ! command -v pg_ctl >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null; then
		install_server postgresql "$${missing[@]}"
	elif [ $${#missing[@]} -gt 0 ]; then
		install "$${missing[@]}"
	fi

# The clients that the tests run beside dwsload, or against what it is tested with. A folder that has
# other versions is made anew. py-opengauss comes as source; its part in C may fail to build, it goes without.
python:
	@$(functions)
	if ! "$(PYTHON)" -c '
	import sys
	from importlib.metadata import version
	import async_gaussdb, psycopg2, py_opengauss
	peers = [peer.split("==") for peer in sys.argv[1:]]
	sys.exit(any(version(name) != wanted for name, wanted in peers))
	' $(PEERS) 2>/dev/null; then
		python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
		python3 -m venv --clear "$(VENV)"
		"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-binary py-opengauss $(PEERS)
	fi
