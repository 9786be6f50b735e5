/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole list as a stream: page after page over the slow connections, each sent before the next is
 * read, so that a long list costs the memory of one page and a slow reader waits alone.
 */
#include "list_private.h"
#include "base/hash.h"
#include "base/json.h"

#include <errno.h>

enum { STREAM_WAIT_MS = 30 * 1000 };

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

/* The place outlives the page's rows, which a title in it is a view of. */
static int go_on_after(struct list_request *in, const struct task_list *page)
{
	struct task_position *place = &in->query.position;

	if (page->n == 0)
		return 0;
	if (page->last.text.n > sizeof(in->place_text))
		return -EIO;
	*place = page->last;
	if (place->text.n > 0)
		memcpy(in->place_text, page->last.text.p, place->text.n);
	place->text.p = in->place_text;
	in->query.after = true;
	return 0;
}

/* The rows of the page before are given back first. */
static FIBER int next_page(struct request *rq, struct list_request *in, struct arena *arena,
			   bool *ret_is_last)
{
	struct task_list list;

	arena_reset(arena);
	int r = task_store_list_wait(app_db(rq->app), arena, &in->query, &list, &rq->err);
	if (r == 0)
		r = go_on_after(in, &list);
	if (r < 0)
		return r;
	*ret_is_last = !list.has_more;
	return stream_page(rq, &list, false, *ret_is_last);
}

static FIBER int stream_deleted(struct request *rq, const struct list_request *in,
				struct arena *arena, struct buf *out)
{
	const struct deleted_task *deleted = NULL;
	size_t n = 0;

	arena_reset(arena);
	int r = list_read_deleted(rq, in, arena, &deleted, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct json_out o;

		if (!in->envelope || i > 0)
			buf_append_char(out, ',');
		json_out_init(&o, out);
		deleted_write_json(&o, &deleted[i]);
	}
	return r;
}

/* What stands around the rows: an array, or an object when the client asked for the envelope. The
 * tombstones are the last rows of the array, or an array of their own. */
static FIBER int write_stream_end(struct request *rq, const struct list_request *in,
				  struct arena *arena, int64_t total, struct buf *out)
{
	if (in->envelope && in->deleted)
		buf_append_str(out, STR("],\"deleted\":["));
	int r = stream_deleted(rq, in, arena, out);
	buf_append_char(out, ']');
	if (in->envelope)
		buf_printf(out, ",\"count\":%lld,\"next_cursor\":null}", (long long)total);
	return r < 0 ? r : buf_status(out);
}

/* The answer has begun: from here on a failure can only cut it short. */
static FIBER int stream_all(struct request *rq, struct list_request *in,
			    const struct task_list *first, struct arena *arena)
{
	int64_t total = first->total;
	bool is_last = false;
	struct buf frame;

	buf_init(&frame, LIST_JSON_MAX);
	buf_append_str(&frame, in->envelope == 1 ? STR("{\"tasks\":[") : STR("["));
	http_reply_chunk(rq->http, &frame);
	int r = stream_page(rq, first, true, false);
	while (r == 0 && !is_last)
		r = next_page(rq, in, arena, &is_last);
	if (r == 0)
		r = write_stream_end(rq, in, arena, total, &frame);
	if (r == 0)
		http_reply_chunk(rq->http, &frame);
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

FIBER int list_stream(struct request *rq, struct list_request *in, const struct task_list *first,
		      struct arena *arena)
{
	struct chat_api *api = app_role_state(rq->app);

	int r = go_on_after(in, first);
	if (r == 0)
		r = stream_enter(rq, api);
	if (r < 0)
		return r;
	in->query.slow = true;
	reply_stream_begin(rq, 200);
	if (stream_all(rq, in, first, arena) < 0)
		http_reply_cut(rq->http);
	else
		http_reply_end(rq->http);
	stream_leave(rq, api);
	return 0;
}
