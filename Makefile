# SPDX-License-Identifier: Apache-2.0
# todod: `make` builds build/release/todod; `make help` lists what else there is.
#
# Objects of a profile live in build/<profile>/: PROFILE=release|debug|asan, and for the slow gates fuzz, clang,
# coverage and analyze. CI=1 makes warnings errors. Targets that install packages or build several
# profiles call make again, so that what was just installed is seen.

PROFILE ?= release
B := build/$(PROFILE)

JOBS ?= $(shell nproc)
PYTHON := /usr/bin/python3
SELF = $(MAKE) --no-print-directory -s -j$(JOBS)

PKGS := libevent_core yajl libpq libcurl libcrypto
ifeq ($(origin CC),default)
CC := gcc
endif

CFLAGS_WARN := -Wall -Wextra -Wpedantic -Wformat=2 -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla \
	-Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes \
	-Wmissing-declarations -Wold-style-definition -Wredundant-decls -Wswitch-enum -Wimplicit-fallthrough \
	-Wnull-dereference -Wdouble-promotion -Wfloat-equal -Wdate-time -Wframe-larger-than=4096 \
	-Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=format-security
CFLAGS_GCC := -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Werror=jump-misses-init -Wtrampolines \
	-Wbidi-chars=any -Wformat-overflow=2 -Wformat-truncation=2 -Wformat-signedness -Wstack-usage=8192
CFLAGS_COMMON := -std=gnu17 -g -pthread -fno-common -fvisibility=hidden -fno-strict-aliasing \
	-fno-delete-null-pointer-checks -fno-strict-overflow -ffile-prefix-map=$(CURDIR)=. -D_GNU_SOURCE
CFLAGS_HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection=full -ftrivial-auto-var-init=zero -fPIE
LDFLAGS_COMMON := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed -Wl,--fatal-warnings \
	-Wl,--build-id=sha1

CFLAGS_release := -O2 $(CFLAGS_HARDEN) -ffunction-sections -fdata-sections
LDFLAGS_release := -pie -Wl,--gc-sections
CFLAGS_debug := -O0 -DDEBUG
CFLAGS_asan := -O1 -DDEBUG -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize=address,undefined
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_clang := -O2
CFLAGS_fuzz := -O1 -DDEBUG -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-fsanitize=fuzzer-no-link,address,undefined
LDFLAGS_fuzz := -fsanitize=address,undefined
CFLAGS_coverage := -O0 -DDEBUG --coverage
LDFLAGS_coverage := --coverage
CFLAGS_analyze := -O1 -DDEBUG -fanalyzer

WERROR := $(if $(CI),-Werror)
IS_CLANG := $(findstring clang,$(CC))
PKG_CFLAGS := $(subst -I,-isystem ,$(shell pkg-config --cflags $(PKGS) 2>/dev/null))
ALL_CFLAGS := $(CFLAGS_COMMON) $(CFLAGS_WARN) $(if $(IS_CLANG),,$(CFLAGS_GCC)) $(CFLAGS_$(PROFILE)) $(WERROR) \
	-Iinclude -I. $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS := $(LDFLAGS_COMMON) $(LDFLAGS_$(PROFILE)) -pthread $(LDFLAGS)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
# libunistring comes without a file for pkg-config.
LIBS := $(if $(PKG_LIBS),$(PKG_LIBS) -lunistring)

SRCS := $(wildcard src/*/*.c roles/*.c roles/*/*.c)
OBJS := $(SRCS:%.c=$(B)/%.o)
LIB := $(B)/libtodod.a

UNIT_SRCS := $(wildcard test/unit/*/test_*.c)
UNIT_BINS := $(UNIT_SRCS:%.c=$(B)/%)
SUPPORT_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard test/unit/support/*.c))
FUZZ_SRCS := $(wildcard test/fuzz/*_fuzzer.c)
FUZZ_BINS := $(FUZZ_SRCS:%.c=$(B)/%)
REPLAY_BINS := $(FUZZ_SRCS:%_fuzzer.c=$(B)/%_replay)
SHIM_SRCS := $(wildcard test/tools/fail_*.c)
TOOL_SRCS := $(filter-out $(SHIM_SRCS),$(wildcard test/tools/*.c))
TOOL_BINS := $(TOOL_SRCS:%.c=$(B)/%) $(SHIM_SRCS:%.c=$(B)/%.so)
TEST_BINS := $(UNIT_BINS) $(REPLAY_BINS) $(TOOL_BINS)
C_FILES = $(shell git ls-files '*.c' '*.h')
FLAGS_STAMP := $(B)/.flags
FUZZ_SECONDS ?= 60
CASES ?= 20000
# How long make torture hurts; how much of it PostgreSQL is away: a third, at most 180 s, unless AWAY says.
SECONDS ?= 600
TORTURE = test/torture/run.py --seconds=$(SECONDS) $(AWAY:%=--away=%) $(SEED:%=--seed=%)

.PHONY: all objects tests fuzzers run-all run-dapr check check-all unit oracle flow contract-embedded schemathesis lint hdr-check fuzz fuzz-replay valgrind analyze \
	clang tidy coverage bench bench-events torture torture-dapr topics check-dapr docs score format format-check deps help clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(B)/todod ## the daemon: build/release/todod
objects: $(OBJS) $(B)/src/main.o
tests: $(TEST_BINS)
fuzzers: $(FUZZ_BINS)

# Everything is built again when the compiler or its flags change.
$(FLAGS_STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@

$(B)/%.o: %.c $(FLAGS_STAMP)
	$(if $(LIBS),,$(error libraries are missing; install them with: scripts/deps.sh build))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CFLAGS_THIS) -MMD -MP -c -o $@ $<

# False alarms of gcc 12's analyzer: it forgets that no bytes come from nowhere, and who owns what a list holds.
ifeq ($(PROFILE),analyze)
$(B)/src/base/siphash.o: CFLAGS_THIS := -Wno-analyzer-null-argument
$(addprefix $(B)/,src/base/config.o src/net/db_conninfo.o roles/sidecar/crons.o roles/sidecar/progress.o): CFLAGS_THIS := -Wno-analyzer-malloc-leak
endif

# Files that EMBED puts into an object; the compiler does not see them.
$(B)/src/store/schema.o: $(wildcard src/store/migrations/*.sql)
$(B)/src/app/openapi.o: $(wildcard src/app/*.json)
$(B)/roles/chat-api/routes.o: $(wildcard roles/chat-api/schemas/*.json)

$(LIB): $(OBJS)
	@rm -f $@
	ar rcs $@ $^

LINK = $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^)

$(B)/todod: $(B)/src/main.o $(LIB)
	$(LINK) $(LIBS)

# One program per file of unit tests, named as its source.
$(B)/test/unit/%: $(B)/test/unit/%.o $(SUPPORT_OBJS) $(LIB)
	$(LINK) $(shell pkg-config --libs check) $(LIBS)

$(B)/test/tools/%: $(B)/test/tools/%.o $(LIB)
	$(LINK) $(LIBS)

# Libraries for LD_PRELOAD, without sanitizers so that any program can load them.
$(B)/test/tools/%.so: test/tools/%.c $(wildcard test/tools/*.h) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_COMMON) $(CFLAGS_WARN) $(WERROR) -O1 -fPIC -shared -Iinclude -I. -o $@ $< -ldl

# The same target twice: with libFuzzer (clang), and with a main() that replays a corpus.
$(B)/test/fuzz/%_fuzzer: $(B)/test/fuzz/%_fuzzer.o $(LIB)
	$(LINK) -fsanitize=fuzzer $(LIBS)

$(B)/test/fuzz/%_replay: $(B)/test/fuzz/%_fuzzer.o $(B)/test/fuzz/replay.o $(LIB)
	$(LINK) $(LIBS)

-include $(OBJS:.o=.d) $(TEST_BINS:%=%.d) $(FUZZ_BINS:%=%.d) $(SUPPORT_OBJS:.o=.d) $(B)/src/main.d

# ---- what people call ----

run-all: ## install what is missing, build, start everything with a PostgreSQL of its own, say how to use it
	@scripts/run-all.sh

run-dapr: ## the same with a real Dapr and Kafka, which it builds once (needs Go, Java, Maven)
	@scripts/run-all.sh dapr

check: deps ## what every change must pass: lint, unit tests, oracles, fuzz corpora, flow and contract tests (ASan and UBSan), half a minute of torture, Schemathesis
	@$(SELF) PROFILE=release all
	@$(SELF) PROFILE=asan all tests
	@scripts/venv.sh
	@$(PYTHON) test/run.py lint unit oracle vectors fuzz-replay flow contract-embedded torture schemathesis

check-all: deps-slow ## check, and the slow gates: clang, analyzers, valgrind, long fuzzing, coverage
	@$(SELF) check
	@$(SELF) clang
	@$(SELF) analyze
	@$(SELF) tidy
	@$(SELF) valgrind
	@$(SELF) fuzz
	@$(SELF) schemathesis
	@$(SELF) coverage

unit: deps ## unit tests under ASan and UBSan
	@$(SELF) PROFILE=asan tests
	@$(PYTHON) test/run.py unit

oracle: deps ## recurrences beside python-dateutil and zoneinfo
	@$(SELF) PROFILE=asan tests
	@$(PYTHON) test/run.py oracle

flow: deps ## flow tests: the real daemon on a real PostgreSQL
	@$(SELF) PROFILE=release all
	@$(SELF) PROFILE=asan all tests
	@$(PYTHON) test/run.py flow

contract-embedded: deps ## what is expected of a sidecar, asked of the embedded one; check-dapr asks a real Dapr too
	@$(SELF) PROFILE=asan all
	@$(PYTHON) test/run.py contract-embedded

schemathesis: deps ## requests made up from the OpenAPI document, CASES=20000 of them
	@scripts/venv.sh
	@$(SELF) PROFILE=asan all
	@$(PYTHON) test/run.py schemathesis=$(CASES)

lint: deps ## layers, banned functions, headers alone, sizes, format, shell, YAML, secrets, requirements
	@$(PYTHON) test/run.py lint

hdr-check: ## every header compiles alone
	@$(PYTHON) test/lint/run.py headers

fuzz-replay: deps ## the corpora of the fuzz targets, built by gcc
	@$(SELF) PROFILE=asan tests
	@$(PYTHON) test/run.py fuzz-replay

fuzz: deps-slow ## libFuzzer, FUZZ_SECONDS=60 for each target
	@$(SELF) PROFILE=fuzz CC=clang-14 fuzzers
	@$(PYTHON) test/run.py fuzz=$(FUZZ_SECONDS)

valgrind: deps-slow ## unit tests under valgrind
	@$(SELF) PROFILE=debug tests
	@$(PYTHON) test/run.py valgrind

clang: deps-slow ## everything compiles with clang without a warning
	@$(SELF) PROFILE=clang CC=clang-14 CI=1 all tests
	@echo 'clang: no warnings'

analyze: deps-slow ## gcc -fanalyzer
	@$(SELF) PROFILE=analyze CI=1 objects
	@echo 'analyze: no findings'

tidy: deps-slow ## clang-tidy with the checks in .clang-tidy
	@printf '%s\n' $(SRCS) src/main.c | xargs -P $(JOBS) -n 4 sh -c 'clang-tidy-14 --quiet \
		--warnings-as-errors="*" "$$@" -- $(CFLAGS_COMMON) -Iinclude -I. $(PKG_CFLAGS)' sh
	@echo 'tidy: no findings'

coverage: deps-slow ## line coverage of unit and flow tests
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	@$(SELF) PROFILE=release all
	@$(SELF) PROFILE=coverage all tests
	@$(PYTHON) test/run.py --profile=coverage unit flow
	@gcovr -r . --object-directory build/coverage -f 'src/' -f 'roles/' -s --sort-percentage

bench: deps-bench ## the speed table: ours beside pgbench and a Node server
	@$(SELF) PROFILE=release all build/release/test/tools/recurrence_driver
	@test/bench/run.py

bench-events: deps-bench ## events from task to audit trail, on the embedded sidecar and on a real Dapr (BENCH_SECONDS=5: a try)
	@$(SELF) PROFILE=release all
	@test/bench/events.py

check-dapr: deps ## the contract of the sidecar, on a real Dapr and broker and on the embedded one (needs Go, Java, Maven; OPTIONAL=1: not needed)
	@$(SELF) PROFILE=release all
	@$(PYTHON) test/run.py contract$(if $(OPTIONAL),=optional)

torture: deps ## everything is killed again and again for SECONDS=600, PostgreSQL away for 180 s of it, every event twice; then nothing may be missing
	@$(SELF) PROFILE=asan all
	@$(PYTHON) $(TORTURE)

torture-dapr: deps ## the same with a real Dapr and Kafka, and poison (needs Go, Java, Maven)
	@$(SELF) PROFILE=release all tests
	@TODOD_TEST_STACK=dapr TODOD_TEST_BUILD=$(CURDIR)/build/release $(PYTHON) -m pytest -q -p no:cacheprovider test/torture
	@$(PYTHON) $(TORTURE) --stack=dapr --profile=release

topics: ## make the topics of dapr-components/topics on a broker: BROKERS=HOST:PORT, FLAGS='-replication 3 -tls'
	@$(if $(BROKERS),,echo 'topics: say where: make topics BROKERS=HOST:PORT' >&2; exit 64)
	@$(PYTHON) test/tools/real_stack.py topics $(BROKERS) $(FLAGS)

docs: all ## write what in docs/ is made from the binary, a running service or its database
	@scripts/docs.sh $(B)/todod
	@scripts/api_docs.py $(B)/todod
	@scripts/data_model.py $(B)/todod
	@scripts/tour.py

score: ## dates and recurrences on CORPORA=DIR of JSON lines, beside libraries that are installed: test/score/score.py
	@$(if $(CORPORA),,echo 'score: say where the corpora are: make score CORPORA=DIR' >&2; exit 64)
	@$(SELF) PROFILE=release all
	@$(PYTHON) test/score/score.py $(CORPORA) $(SCORE_FLAGS)
	@$(PYTHON) test/score/vectors.py || true
	@$(PYTHON) test/score/speed.py $(B)/todod $(CORPORA)

format: ## lay out the C sources by .clang-format
	@clang-format-14 -i $(C_FILES)

format-check: ## would `make format` change anything?
	@$(PYTHON) test/lint/run.py format

deps: ## install the Debian packages that are missing
	@scripts/deps.sh build run test

deps-%:
	@scripts/deps.sh build run test $*

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

clean: ## delete build/ (the data in .run/ stays)
	rm -rf build
