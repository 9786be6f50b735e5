/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands one by one, and what those share that talk to the database as services do: a loop, a
 * fiber, connections.
 */
#ifndef COMMAND_PRIVATE_H
#define COMMAND_PRIVATE_H

#include "app/arguments.h"
#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "net/db.h"

struct command_session {
	const struct config *config;
	struct arena *arena;
	struct db *db;	    /* database.migrate_url, or else database.url */
	struct db *checker; /* audit.checker_url, or db */
	struct db *eraser;  /* audit.eraser_url, or db */
	int64_t started_ms;
};

/* An exit code of sysexits.h. */
typedef FIBER int command_fn(struct command_session *s, const struct arguments *a);

/* Runs fn with the database connected and its schema known. Its exit code, or 69, 78. */
int command_session_run(const struct config *c, const struct arguments *a, command_fn *fn);
/* Tells what went wrong on standard error: "todod: audit verify: ...". The exit code for r: 65 for
 * what the caller asked for and is not there or cannot be, else 69. */
int command_failed(const struct arguments *a, int r, const struct err *e);
/* Writes and empties out. EX_OK, EX_IOERR, EX_OSERR. */
int command_print(struct buf *out);

command_fn command_audit, command_dlq;

#endif
