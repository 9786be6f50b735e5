/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of several roles in the making.
 */
#ifndef CONFIGURE_PRIVATE_H
#define CONFIGURE_PRIVATE_H

#include "app/configure.h"
#include "base/buf.h"

enum { MISTAKES_MAX_BYTES = 4 * 1024 * 1024 };

#define CONFIGURE_ALL_PLACE "--role=all"

struct configuration {
	struct process_part *parts;
	size_t n;
	struct config *common; /* the keys of all: what was given for all of them */
	const char *directory; /* --config; NULL: a file, or nothing */
	struct buf mistakes;   /* a line each */
};

/* TODOD_* variables that are for others; NULL-terminated. */
extern const char *const CONFIGURE_CLIENT_VARIABLES[];

/* Writes what gathered on standard error, empties it, and says whether there was something. */
bool configure_tell(struct buf *mistakes);
/* Gives the roles what follows from what they are, where nothing was given. Adds to mistakes. */
void configure_derive(struct configuration *c);
/* The same for the embedded sidecar: apps, tokens, crons, secrets. */
void configure_derive_sidecar(struct configuration *c);

#endif
