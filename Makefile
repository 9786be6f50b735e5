# SPDX-License-Identifier: Apache-2.0
# todod: `make` builds build/release/todod; `make help` lists what else there is.
#
# Objects of a profile live in build/<profile>/; PROFILE=debug|asan|release.

PROFILE ?= release
B := build/$(PROFILE)

PKGS := libevent_core yajl libpq libcurl libcrypto
CC ?= gcc

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

WERROR := $(if $(CI),-Werror)
IS_CLANG := $(findstring clang,$(CC))
ALL_CFLAGS := $(CFLAGS_COMMON) $(CFLAGS_WARN) $(if $(IS_CLANG),,$(CFLAGS_GCC)) $(CFLAGS_$(PROFILE)) $(WERROR) \
	-Iinclude -I. $(subst -I,-isystem ,$(shell pkg-config --cflags $(PKGS) 2>/dev/null)) $(CFLAGS)
ALL_LDFLAGS := $(LDFLAGS_COMMON) $(LDFLAGS_$(PROFILE)) -pthread $(LDFLAGS)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

SRCS := $(wildcard src/*/*.c roles/*/*.c)
OBJS := $(SRCS:%.c=$(B)/%.o)
LIB := $(B)/libtodod.a
UNIT_SRCS := $(wildcard test/unit/*/*.c)
UNIT_BINS := $(UNIT_SRCS:%.c=$(B)/%)
FLAGS_STAMP := $(B)/.flags

.PHONY: all unit FORCE
all: $(B)/todod

# Everything is built again when the compiler or its flags change.
$(FLAGS_STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' > $@

$(B)/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(OBJS)
	@rm -f $@
	ar rcs $@ $^

$(B)/todod: $(B)/src/main.o $(LIB)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# One program per unit test file, named as its source.
$(B)/test/unit/%: $(B)/test/unit/%.o $(LIB)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs check) $(LIBS)

unit: $(UNIT_BINS)

-include $(OBJS:.o=.d) $(UNIT_SRCS:%.c=$(B)/%.d) $(B)/src/main.d
