/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task list: a page with a cursor when the client asks for a limit, else everything, streamed
 * page by page so that neither a large list nor a slow reader costs memory. Newest first, by
 * created_at and then id.
 */
#include "chat_api_private.h"
#include "base/base64.h"
#include "base/hash.h"
#include "base/json.h"

#include <errno.h>
#include <stdio.h>

enum {
	PAGE_MAX = 200,
	CURSOR_TEXT_MAX = 80,
};

/* Years 1 to 9999, which the database knows as well; a cursor can be made by anybody. */
static const int64_t CREATED_MIN_US = INT64_C(-62135596800000000);
static const int64_t CREATED_MAX_US = INT64_C(253402300799999999);

/* A cursor says where to go on, and binds that to one user and one order. */
static uint64_t cursor_scope(const struct request *rq)
{
	return hash_stable64(rq->user) ^ hash_stable64(STR("created desc"));
}

static struct str cursor_encode(struct request *rq, const struct task *last)
{
	struct str text = arena_printf(rq->arena, "%lld.%lld.%llu", (long long)last->created_at_us,
				       (long long)last->id, (unsigned long long)cursor_scope(rq));
	struct buf *out = request_buf(rq, 2 * CURSOR_TEXT_MAX);

	if (text.p == NULL || out == NULL)
		return (struct str){ NULL, 0 };
	base64url_encode(text, out);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

static int cursor_error(struct request *rq)
{
	return err_set(&rq->err, &ERR_INVALID, "query.cursor",
		       "this cursor is damaged, or was made for another list: start without one");
}

static int cursor_decode(struct request *rq, struct str cursor, struct task_list_query *query)
{
	char text[CURSOR_TEXT_MAX], scope[24];
	struct str rest, part[3];
	size_t n;

	if (base64url_decode(cursor, text, sizeof(text), &n) < 0)
		return cursor_error(rq);
	rest = (struct str){ text, n };
	for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
		if (!str_split(&rest, '.', &part[i]))
			return cursor_error(rq);
	}
	snprintf(scope, sizeof(scope), "%llu", (unsigned long long)cursor_scope(rq));
	if (!str_eq(part[2], str_from(scope)) || rest.n != 0 ||
	    str_parse_i64(part[0], &query->after_created_at_us) < 0 ||
	    query->after_created_at_us < CREATED_MIN_US ||
	    query->after_created_at_us > CREATED_MAX_US ||
	    str_parse_i64(part[1], &query->after_id) < 0 || query->after_id < 1)
		return cursor_error(rq);
	query->after = true;
	return 0;
}

static int parse_query(struct request *rq, struct list_request *ret)
{
	struct str cursor;

	int r = request_query_i64(rq, "limit", 1, PAGE_MAX, &ret->limit);
	if (r < 0)
		return r;
	r = request_query_i64(rq, "envelope", 0, 1, &ret->envelope);
	if (r < 0)
		return r;
	r = request_query(rq, "cursor", &cursor);
	if (r < 0)
		return r;
	ret->query.user_id = rq->user;
	return cursor.p != NULL ? cursor_decode(rq, cursor, &ret->query) : 0;
}

static int add_total(struct request *rq, int64_t total)
{
	struct str text = arena_printf(rq->arena, "%lld", (long long)total);

	if (text.p == NULL)
		return err_unavailable(&rq->err, 1, "out of memory");
	request_add_header(rq, "X-Total-Count", text);
	return 0;
}

/* Weak: equal when the same tasks in the same versions are shown in the same place. */
static struct str page_etag(struct request *rq, const struct task_list *list, struct str next)
{
	struct buf *state = request_buf(rq, PAGE_MAX * 32 + 512);

	if (state == NULL)
		return (struct str){ NULL, 0 };
	buf_append_i64(state, list->total);
	for (size_t i = 0; i < list->n; i++) {
		buf_append(state, &list->tasks[i].id, sizeof(list->tasks[i].id));
		buf_append(state, &list->tasks[i].version, sizeof(list->tasks[i].version));
	}
	buf_append_str(state, next);
	if (buf_status(state) < 0)
		return (struct str){ NULL, 0 };
	return arena_printf(rq->arena, "W/\"%016llx\"",
			    (unsigned long long)hash_stable64(buf_str(state)));
}

static int add_link(struct request *rq, const struct list_request *in, struct str next)
{
	struct str link = arena_printf(rq->arena, "<%.*s?limit=%lld%s&cursor=%.*s>; rel=\"next\"",
				       STR_ARGS(rq->http->head.path), (long long)in->limit,
				       in->envelope ? "&envelope=1" : "", STR_ARGS(next));

	if (link.p == NULL)
		return err_unavailable(&rq->err, 1, "out of memory");
	request_add_header(rq, "Link", link);
	return 0;
}

static void write_tasks(struct json_out *o, const struct task_list *list)
{
	json_begin_array(o);
	for (size_t i = 0; i < list->n; i++)
		task_write_json(o, &list->tasks[i]);
	json_end_array(o);
}

static struct buf *render_page(struct request *rq, bool envelope, const struct task_list *list,
			       struct str next)
{
	struct buf *body = request_buf(rq, LIST_JSON_MAX);
	struct json_out o;

	if (body == NULL)
		return NULL;
	json_out_init(&o, body);
	if (!envelope) {
		write_tasks(&o, list);
		return body;
	}
	json_begin_object(&o);
	json_key(&o, STR("tasks"));
	write_tasks(&o, list);
	json_key_i64(&o, STR("count"), list->total);
	json_key_str_or_null(&o, STR("next_cursor"), next);
	json_end_object(&o);
	return body;
}

/* Reads one task more than asked for, to know whether there is a next page. */
static FIBER int list_page(struct request *rq, struct list_request *in)
{
	struct str next = { NULL, 0 };
	struct task_list list;
	struct buf *body;

	in->query.limit = (unsigned)in->limit + 1;
	int r = task_store_list_wait(app_db(rq->app), rq->arena, &in->query, &list, &rq->err);
	if (r < 0)
		return r;
	if (list.n > (size_t)in->limit) {
		list.n = (size_t)in->limit;
		next = cursor_encode(rq, &list.tasks[list.n - 1]);
		if (next.p == NULL)
			return err_unavailable(&rq->err, 1, "out of memory");
		r = add_link(rq, in, next);
		if (r < 0)
			return r;
	}
	struct str etag = page_etag(rq, &list, next);
	if (etag.p == NULL)
		return err_unavailable(&rq->err, 1, "out of memory");
	request_add_header(rq, "ETag", etag);
	r = add_total(rq, list.total);
	if (r < 0)
		return r;
	if (has_if_none_match(rq, etag)) {
		reply_empty(rq, 304);
		return 0;
	}
	body = render_page(rq, in->envelope == 1, &list, next);
	if (body == NULL)
		return -ENOMEM;
	reply_json(rq, 200, body);
	return 0;
}

/* A list that fits one page is answered as one; a longer one is streamed, its rows in an arena of
 * their own. */
static FIBER int list_whole(struct request *rq, struct list_request *in, struct arena *arena)
{
	const struct str no_cursor = { NULL, 0 };
	struct task_list first;

	in->query.limit = STREAM_PAGE;
	int r = task_store_list_wait(app_db(rq->app), arena, &in->query, &first, &rq->err);
	if (r < 0)
		return r;
	r = add_total(rq, first.total);
	if (r < 0)
		return r;
	if (first.n == STREAM_PAGE)
		return list_stream(rq, in, &first, arena);
	struct buf *body = render_page(rq, in->envelope == 1, &first, no_cursor);
	if (body == NULL)
		return -ENOMEM;
	reply_json(rq, 200, body);
	return 0;
}

static FIBER int list_all(struct request *rq, struct list_request *in)
{
	struct arena *arena = arena_new(STREAM_PAGE * 64 * 1024);

	if (arena == NULL)
		return err_unavailable(&rq->err, 1, "out of memory");
	int r = list_whole(rq, in, arena);
	arena_free(arena);
	return r;
}

FIBER void task_list(struct request *rq)
{
	struct list_request in = { 0 };

	int r = parse_query(rq, &in);
	if (r == 0)
		r = in.limit > 0 ? list_page(rq, &in) : list_all(rq, &in);
	if (r < 0)
		reply_problem(rq);
}
