/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics and what is published to them. A topic has one writer at a time, which takes all that
 * waits in one statement: positions are given in the order they are committed, and many publishers
 * share one commit.
 */
#ifndef SIDECAR_TOPIC_PRIVATE_H
#define SIDECAR_TOPIC_PRIVATE_H

#include "host_private.h"
#include "tail_private.h"

struct record {
	struct str key; /* what decides the partition; .p NULL: any */
	struct str body;
};

struct publication;

struct topic {
	struct topic *next;
	struct host *host;
	char name[HOST_TOPIC_NAME_MAX + 1];
	unsigned n_parts;
	unsigned turn; /* of the partition that gets the next record without a key */
	bool is_loaded;
	int64_t end[HOST_PARTITIONS]; /* the next position; all below are committed */
	struct tail tails[HOST_PARTITIONS];
	struct publication *first, *last;
	size_t n_waiting;
	bool is_writing;
	struct metric *published;
};

/* The topic of that name, made when it is new. -EINVAL: no name for a topic, or none of those there
 * are; -ENOSPC: too many; -ENOMEM. */
int topic_get(struct host *h, struct str name, struct topic **ret, struct err *reterr) MUST_CHECK;
void topics_free(struct host *h);
bool topic_is_dead_letters(const struct topic *t);
/* The partition of a key, the same for ever. */
unsigned topic_partition_of(struct str key, unsigned n_parts);

/* Reads the ends of its partitions from the database, unless they are known. */
FIBER int topic_load_wait(struct topic *t, struct err *reterr) MUST_CHECK;
/*
 * 0: all of them are committed, in this order. < 0: as db_run_wait; none is known to be there. A
 * record has at most 1 MiB. Bodies that are no text (invalid UTF-8, NUL) can only be published
 * alone.
 */
FIBER int topic_publish_wait(struct topic *t, const struct record *records, size_t n,
			     struct err *reterr) MUST_CHECK;

#endif
