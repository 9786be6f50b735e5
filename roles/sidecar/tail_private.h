/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in memory. What was just published is read from here by every group that keeps up; who is
 * behind reads from the database, some records ahead. A record is shared by those that hold it.
 */
#ifndef SIDECAR_TAIL_PRIVATE_H
#define SIDECAR_TAIL_PRIVATE_H

#include "base/err.h"
#include "base/macro.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TAIL_RECORDS_MAX = 64,		   /* of a partition */
	TAIL_BYTES_MAX = 16 * 1024 * 1024, /* of all partitions of the process */
};

struct kept {
	unsigned holders;
	bool is_event; /* known to be JSON; false: not looked at yet */
	int64_t pos, created_us;
	struct str key; /* .p NULL: none */
	struct str body;
};

/* A copy, with one holder and no time yet; NULL when out of memory. */
struct kept *kept_new(struct str key, struct str body, int64_t pos);
struct kept *kept_hold(struct kept *k);
void kept_release(struct kept *k); /* NULL: nothing */

/* The newest records of a partition, without a hole. */
struct tail {
	struct kept *records[TAIL_RECORDS_MAX]; /* that of position n at n % TAIL_RECORDS_MAX */
	int64_t begin, end;
};

/* Takes the holder's share of k, which is committed; the oldest make room. */
void tail_add(struct tail *t, struct kept *k);
/* For the caller to release; NULL: not here. */
struct kept *tail_get(const struct tail *t, int64_t pos) MUST_CHECK;
/* What lies before pos is needed no more. */
void tail_forget(struct tail *t, int64_t pos);

#endif
