/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of tasks on its way from the query to the answer.
 */
#ifndef CHAT_API_LIST_PRIVATE_H
#define CHAT_API_LIST_PRIVATE_H

#include "chat_api_private.h"
#include "domain/search.h"

struct list_request {
	struct task_list_query query;
	int64_t limit; /* 0: absent */
	int64_t envelope;
	bool deleted;		       /* tombstones too */
	bool finds_nothing;	       /* a search without a word */
	char place_text[SORT_KEY_MAX]; /* of a stream: what query.position.text is a view of */
};

/* Reads filter, order and place off the query. 0; -EINVAL (422); or as db_run_wait. */
FIBER int list_request_parse(struct request *rq, struct list_request *ret);
/* Where the page after this task begins, for this user, filter and order; .p NULL: out of memory.
 */
struct str list_cursor(struct request *rq, const struct list_request *in,
		       const struct task_position *last);
/* The tombstones a syncing client asked for; none when it did not. */
FIBER int list_read_deleted(struct request *rq, const struct list_request *in, struct arena *arena,
			    const struct deleted_task **ret, size_t *ret_n);
void deleted_write_json(struct json_out *o, const struct deleted_task *d);

/*
 * Streams the whole list, whose first page is given and full. arena holds its rows and is reset for
 * each page. 0: answered, if only in part; -EAGAIN: refused, rq->err says why (429, 503).
 */
FIBER int list_stream(struct request *rq, struct list_request *in, const struct task_list *first,
		      struct arena *arena);

#endif
