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
	STREAM_PAGE = 200,
	STREAM_WAIT_MS = 30 * 1000,
	CURSOR_TEXT_MAX = 80,
};

/* Years 1 to 9999, which the database knows as well; a cursor can be made by anybody. */
static const int64_t CREATED_MIN_US = INT64_C(-62135596800000000);
static const int64_t CREATED_MAX_US = INT64_C(253402300799999999);

struct list_request {
	struct task_list_query query;
	int64_t limit; /* 0: absent */
	int64_t envelope;
};

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

/* The tasks of one page, each behind a comma unless it is the very first. */
static int write_stream_rows(struct buf *out, const struct task_list *list, bool is_first_page)
{
	for (size_t i = 0; i < list->n; i++) {
		struct json_out o;

		if (!is_first_page || i > 0)
			buf_append_char(out, ',');
		json_out_init(&o, out);
		task_write_json(&o, &list->tasks[i]);
	}
	return buf_status(out);
}

static FIBER int stream_page(struct request *rq, const struct task_list *list, bool is_first_page,
			     bool is_last)
{
	struct buf out;

	buf_init(&out, LIST_JSON_MAX);
	int r = write_stream_rows(&out, list, is_first_page);
	if (r == 0) {
		http_reply_chunk(rq->http, &out);
		r = is_last ? 0 : http_reply_drain_wait(rq->http, STREAM_WAIT_MS);
	}
	buf_done(&out);
	return r;
}

static void go_on_after(struct task_list_query *query, const struct task_list *page)
{
	if (page->n == 0)
		return;
	query->after = true;
	query->after_created_at_us = page->tasks[page->n - 1].created_at_us;
	query->after_id = page->tasks[page->n - 1].id;
}

/* Each page's rows live in an arena of their own, given back before the next is read. */
static FIBER int next_page(struct request *rq, struct list_request *in, struct arena *arena,
			   bool *ret_is_last)
{
	struct task_list list;

	int r = task_store_list_wait(app_db(rq->app), arena, &in->query, &list, &rq->err);
	if (r < 0)
		return r;
	*ret_is_last = list.n < STREAM_PAGE;
	go_on_after(&in->query, &list);
	return stream_page(rq, &list, false, *ret_is_last);
}

/* The answer has begun: from here on a failure can only cut it short. */
static FIBER int stream_rest(struct request *rq, struct list_request *in)
{
	struct arena *arena = arena_new(STREAM_PAGE * 64 * 1024);
	bool is_last = false;
	int r = 0;

	if (arena == NULL)
		return -ENOMEM;
	while (r == 0 && !is_last) {
		r = next_page(rq, in, arena, &is_last);
		arena_reset(arena);
	}
	arena_free(arena);
	return r;
}

/* What stands around the rows: an array, or an object when the client asked for the envelope. */
static void write_stream_end(struct buf *out, const struct list_request *in, int64_t total)
{
	buf_append_char(out, ']');
	if (in->envelope == 1)
		buf_printf(out, ",\"count\":%lld,\"next_cursor\":null}", (long long)total);
}

static FIBER int stream_all(struct request *rq, struct list_request *in,
			    const struct task_list *first)
{
	struct buf frame;

	buf_init(&frame, 128);
	buf_append_str(&frame, in->envelope == 1 ? STR("{\"tasks\":[") : STR("["));
	http_reply_chunk(rq->http, &frame);
	int r = stream_page(rq, first, true, false);
	if (r == 0)
		r = stream_rest(rq, in);
	if (r == 0) {
		write_stream_end(&frame, in, first->total);
		r = buf_status(&frame);
		http_reply_chunk(rq->http, &frame);
	}
	buf_done(&frame);
	return r;
}

/* Takes a place among the streams; slow readers, of one user or of many, must leave the rest of the
 * service alone. */
static int stream_enter(struct request *rq, struct chat_api *api)
{
	uint64_t user = hash_random64(rq->user);
	unsigned n_own = 0;

	for (unsigned i = 0; i < api->n_streams; i++)
		n_own += api->streams[i] == user;
	if (n_own >= STREAMS_OF_USER_MAX) {
		err_set(&rq->err, &ERR_RATE_LIMITED, NULL,
			"%d whole lists are being read already: use limit and cursor",
			STREAMS_OF_USER_MAX);
		rq->err.retry_after_s = 1;
		return -rq->err.kind->errnum;
	}
	if (api->n_streams == STREAMS_MAX)
		return err_unavailable(&rq->err, 1,
				       "too many whole lists are being read: use limit and cursor");
	api->streams[api->n_streams++] = user;
	return 0;
}

static void stream_leave(const struct request *rq, struct chat_api *api)
{
	uint64_t user = hash_random64(rq->user);
	unsigned i = 0;

	while (api->streams[i] != user)
		i++;
	api->streams[i] = api->streams[--api->n_streams];
}

/* A list that fits one page is answered as one; a longer one goes on over the slow connections. */
static FIBER int list_all(struct request *rq, struct list_request *in)
{
	struct chat_api *api = app_role_state(rq->app);
	const struct str no_cursor = { NULL, 0 };
	struct task_list first;

	in->query.limit = STREAM_PAGE;
	int r = task_store_list_wait(app_db(rq->app), rq->arena, &in->query, &first, &rq->err);
	if (r < 0)
		return r;
	r = add_total(rq, first.total);
	if (r < 0)
		return r;
	if (first.n < STREAM_PAGE) {
		struct buf *body = render_page(rq, in->envelope == 1, &first, no_cursor);
		if (body == NULL)
			return -ENOMEM;
		reply_json(rq, 200, body);
		return 0;
	}
	r = stream_enter(rq, api);
	if (r < 0)
		return r;
	go_on_after(&in->query, &first);
	in->query.slow = true;
	reply_stream_begin(rq, 200);
	if (stream_all(rq, in, &first) < 0)
		http_reply_cut(rq->http);
	else
		http_reply_end(rq->http);
	stream_leave(rq, api);
	return 0;
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
