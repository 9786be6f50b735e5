/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on the loop, for every protocol that libcurl speaks for us: a pool is
 * one multi handle, a transfer one easy handle in it. What is particular to HTTP is in
 * http_client.c, to mail in smtp.c.
 */
#ifndef NET_TRANSFER_PRIVATE_H
#define NET_TRANSFER_PRIVATE_H

#include "base/err.h"
#include "base/macro.h"
#include "loop/fiber.h"
#include "loop/loop.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct transfer_pool;
struct transfer;

/* Instead of waking the fiber alone: no more of libcurl's callbacks follow. result as for
 * fiber_wake. */
typedef void transfer_end_fn(struct transfer *t, int result);

struct transfer {
	struct transfer *next, *prev;
	struct transfer_pool *pool; /* NULL: not in libcurl's hands, or no longer */
	CURL *easy;
	struct curl_slist *list; /* headers or recipients; freed with the handle */
	struct fiber_wait wait;
	transfer_end_fn *on_end; /* may be NULL */
	CURLcode code;
	char reason[CURL_ERROR_SIZE];
};

/* At most max transfers at a time. NULL when out of memory. */
struct transfer_pool *transfer_pool_new(struct loop *l, unsigned max);
/* Accepts NULL. Transfers under way end with -ECANCELED, on their fibers, which may run after this.
 */
void transfer_pool_free(struct transfer_pool *p);

/*
 * A new easy handle in t, which the caller has set to zero, with what all transfers have in common:
 * no signals, no proxy, only these protocols ("http,https"). -EAGAIN: the pool is full; -ENOMEM.
 * Then options are set, and transfer_start or transfer_drop follows.
 */
int transfer_prepare(struct transfer_pool *p, struct transfer *t, const char *protocols,
		     int64_t connect_timeout_ms) MUST_CHECK;
void transfer_drop(struct transfer *t);
/* Hands it to libcurl. -ENOMEM: it was dropped. */
int transfer_start(struct transfer_pool *p, struct transfer *t) MUST_CHECK;
/* Takes it away from libcurl; safe to repeat. Its fiber may still be parked. */
void transfer_detach(struct transfer *t);

/* Appends to t->list. False when out of memory. */
bool transfer_add_line(struct transfer *t, const char *line);
/* What libcurl's result means: 0, -ETIME, -ECONNREFUSED, -EINVAL, -ENOMEM, -EPROTO. */
int transfer_errno(const struct transfer *t);
/* Why, in words, for a result of transfer_errno or of the wait. */
const char *transfer_reason(const struct transfer *t, int r);

#endif
