/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration from tables of keys: defaults < file < environment < flags. A key `database.url` is
 * TODOD_DATABASE_URL in the environment, --database.url=... on the command line and
 * `database.url = ...` in the file (one a line, # comments). Nothing is read that no table names:
 * an unknown key in the file, an unknown flag, an unknown TODOD_* variable are mistakes, each told
 * with its place
 * ("todod.conf:12", "environment", "command line"). Secrets are never printed.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum config_type {
	CONFIG_STRING,
	CONFIG_I64,
	CONFIG_BOOL,	    /* true, false, on, off, yes, no, 1, 0 */
	CONFIG_DURATION_MS, /* 250ms, 30s, 5m, 1h, 2d; a bare number is seconds */
	CONFIG_BYTES,	    /* 512, 64KiB, 1MiB, 1GiB */
	CONFIG_CHOICE,	    /* one of choices */
};

enum {
	CONFIG_SECRET =
		1, /* never shown; refused on the command line, where other users could read it */
	CONFIG_REQUIRED = 2, /* must not be empty */
};

struct config_key {
	const char *name; /* lower case, dots; unique over all tables given */
	enum config_type type;
	const char *default_value; /* text, parsed like any other; NULL: empty */
	int64_t min, max;    /* numbers, durations in ms, bytes; string length. Both 0: unbounded */
	const char *choices; /* CONFIG_CHOICE: "debug|info|warn|error" */
	unsigned flags;
	const char *doc; /* one line */
};
/* A table ends with a key whose name is NULL. */

struct config;

/* Tables must outlive the config. NULL when out of memory. Asserts that names are unique and
 * defaults parse. */
struct config *config_new(const struct config_key *const *tables, size_t n_tables);
void config_free(struct config *c);

/* Each records every mistake it finds and returns how many (0: fine). */
int config_read_file(struct config *c, const char *path);
/* others: TODOD_* variables that are no keys and no mistakes, NULL-terminated; may be NULL. */
int config_read_environ(struct config *c, char *const *envp, const char *const *others);
/* Whether a table has this key. */
bool config_has(const struct config *c, struct str name);
/* What config_set is told for flags; there it refuses secrets. */
#define CONFIG_COMMAND_LINE "command line"
/* name without dashes; value may be empty. place is what mistakes are told with. */
int config_set(struct config *c, struct str name, struct str value, const char *place);
/* Takes over what a source of `from` has set, of the keys that both have, with its place. */
void config_take(struct config *c, const struct config *from);
/* What set the key ("todod.conf:12", "environment"); NULL: nothing did, the default holds. */
const char *config_place(const struct config *c, const char *name);
/* After all sources: required keys. Returns the number of mistakes of all reads together. */
int config_check(struct config *c);
/* The mistakes, one a line: place, key, what is wrong, what is allowed. */
void config_mistakes(const struct config *c, struct buf *out);
/* Every key with its effective value and where it came from; secrets as "[set]" or "[empty]". */
void config_print(const struct config *c, struct buf *out);
/* Every key with type, default, bounds, doc, as help text. */
void config_help(const struct config *c, struct buf *out);

/* Readers assert that the key exists and has that type. */
struct str config_str(const struct config *c,
		      const char *name); /* NUL-terminated; valid as long as c */
int64_t config_i64(const struct config *c, const char *name); /* I64, DURATION_MS, BYTES */
bool config_bool(const struct config *c, const char *name);

/* One duration as CONFIG_DURATION_MS is written, for keys that hold several. -EINVAL, -ERANGE. */
int config_parse_duration(struct str text, int64_t *ret_ms) MUST_CHECK;

#endif
