# Every target works from a bare Debian 12 with git and make: it installs what packages.txt lists first.
SHELL := /bin/bash
.DELETE_ON_ERROR:
export CCACHE_SLOPPINESS := pch_defines,time_macros,include_file_mtime,include_file_ctime
JOBS ?= $(shell nproc)

.PHONY: help packages build build-% test test-long bench bench-quick demo format lint fuzz clean

help:            ## this list
	@grep -hE '^[a-z%-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

packages:        ## install the Debian packages of packages.txt
	@tools/install-packages

build: packages  ## the program, at build/portolan
	@tools/build release portolan
	@ln -f build/release/portolan build/portolan

build-%: packages  ## all of one preset: build-dev, build-asan, build-tsan
	@tools/build $* all

test: packages   ## unit tests, also under asan, end-to-end tests with real peers and over networks that fail, this build against the previous release
	@tools/run-tests

test-long: packages  ## what takes longer: tsan, end-to-end under asan, kills, long failures of the network, fuzzing, planted bugs
	@tools/run-tests-long

bench: packages  ## figures beside their limits: the control plane's, Portolan's beside what people would use instead, distance, growth; two hours
	@tools/build release portolan portolan_bench portolan_load portolan_delay
	@tests/bench/all $(BENCH_OPTIONS)

bench-quick: packages  ## the most useful of it, in about a minute
	@$(MAKE) --no-print-directory bench BENCH_OPTIONS="--quick $(BENCH_OPTIONS)"

demo: build      ## a throwaway PostgreSQL behind agent, gateway and relay, until Ctrl-C
	@tools/demo

fuzz: packages   ## every fuzz target for FUZZ_SECONDS (default 60) each
	@tools/run-fuzz $(FUZZ_SECONDS)

format: packages ## clang-format over the sources
	@git ls-files '*.cc' '*.h' | xargs clang-format-19 -i

lint: packages   ## format, include floors, each header alone, clang-tidy
	@tools/lint

clean:           ## remove build/
	@rm -rf build
