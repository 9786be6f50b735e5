/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups. A consumer is one group's reading of one topic: for each partition the next position, the
 * instance that gets its records, and, while there is a backlog, a fiber that delivers one record
 * after the other.
 */
#ifndef SIDECAR_CONSUMER_PRIVATE_H
#define SIDECAR_CONSUMER_PRIVATE_H

#include "topic_private.h"

enum { PARTITION_AHEAD_MAX = 16 };

struct partition {
	struct consumer *consumer;
	unsigned number;
	int64_t next;				 /* position; all below are settled */
	struct instance *instance;		 /* NULL: nobody lives */
	struct fiber *fiber;			 /* NULL: nothing to deliver */
	bool is_resting;			 /* the fiber sleeps between two tries */
	struct kept *ahead[PARTITION_AHEAD_MAX]; /* read ahead; the next is the last */
	unsigned ahead_n;
	/* progress.c */
	struct partition *next_unwritten;
	bool is_listed;
	unsigned n_unwritten;	 /* records that are settled, and the database was not told */
	struct fiber_wait *room; /* who waits for n_unwritten to fall */
};

struct consumer {
	struct consumer *next;
	struct host *host;
	struct topic *topic;
	const struct hosted *owner;
	struct instance
		*alone; /* the only member of a replica's group; NULL: the app's instances */
	char group[HOST_GROUP_NAME_MAX + 1];
	bool is_loaded;
	struct partition parts[HOST_PARTITIONS];
	struct metric *delivered, *retried, *dead, *dropped, *lag, *in_flight;
};

/* Makes the group of the instance's wish known, with its progress. */
FIBER int consumer_open_wait(struct host *h, struct instance *i, const struct wish *wish,
			     struct err *reterr) MUST_CHECK;
/* Spreads the partitions of every consumer over the instances that live. */
void consumers_assign(struct host *h);
/* Whether anybody reads it. */
bool consumers_read(const struct topic *t);
/* There are new records. */
void consumers_poke(struct topic *t);
/* Fibers that rest end now, the others after the record they are at. */
void consumers_stop(struct host *h);
void consumers_free(struct host *h);
/* Sets the gauges. */
void consumers_collect(struct host *h);

/* Sleeps between two tries, unless the process is stopping: -ECANCELED. */
FIBER int partition_rest(struct partition *p, int64_t ms);

/* Which of n_members gets a partition: ranges, as even as they can be. */
unsigned partition_member(unsigned part, unsigned n_parts, unsigned n_members);

#endif
