/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task list: a page with a cursor when the client asks for a limit, else everything, streamed
 * page by page so that neither a large list nor a slow reader costs memory.
 */
#include "list_private.h"
#include "base/hash.h"
#include "base/json.h"

#include <errno.h>

enum { ETAG_TEXT_MAX = 512 * 1024 };

static int add_total(struct request *rq, int64_t total)
{
	struct str text = arena_printf(rq->arena, "%lld", (long long)total);

	if (text.p == NULL)
		return out_of_memory(rq);
	request_add_header(rq, "X-Total-Count", text);
	return 0;
}

/* What is shown on one page. */
struct page {
	const struct task_list *list;
	const struct deleted_task *deleted; /* on the last page, if asked for */
	size_t n_deleted;
	struct str next; /* cursor; .p NULL: this is the last page */
};

/* Weak: equal when the same tasks in the same versions are shown in the same place. */
static struct str page_etag(struct request *rq, const struct page *page)
{
	struct buf *state = request_buf(rq, ETAG_TEXT_MAX);
	const struct task_list *list = page->list;

	if (state == NULL)
		return (struct str){ NULL, 0 };
	buf_append_i64(state, list->total);
	for (size_t i = 0; i < list->n; i++) {
		buf_append(state, &list->tasks[i].id, sizeof(list->tasks[i].id));
		buf_append(state, &list->tasks[i].version, sizeof(list->tasks[i].version));
	}
	if (page->n_deleted > 0)
		buf_append(state, page->deleted, page->n_deleted * sizeof(*page->deleted));
	buf_append_str(state, page->next);
	if (buf_status(state) < 0)
		return (struct str){ NULL, 0 };
	return arena_printf(rq->arena, "W/\"%016llx\"",
			    (unsigned long long)hash_stable64(buf_str(state)));
}

void deleted_write_json(struct json_out *o, const struct deleted_task *d)
{
	json_begin_object(o);
	json_key_i64(o, STR("id"), d->id);
	json_key_time(o, STR("deleted_at"), d->deleted_at_us);
	json_end_object(o);
}

FIBER int list_read_deleted(struct request *rq, const struct list_request *in, struct arena *arena,
			    const struct deleted_task **ret, size_t *ret_n)
{
	if (!in->deleted)
		return 0;
	return task_store_deleted_wait(request_db(rq), arena, rq->user,
				       in->query.filter.updated_since_us, ret, ret_n, &rq->err);
}

static void write_deleted(struct json_out *o, const struct page *page)
{
	for (size_t i = 0; i < page->n_deleted; i++)
		deleted_write_json(o, &page->deleted[i]);
}

/* A bare array holds the tombstones behind the tasks, the envelope has them in a key of their own.
 */
static void write_tasks(struct json_out *o, const struct page *page, bool with_deleted)
{
	json_begin_array(o);
	for (size_t i = 0; i < page->list->n; i++)
		task_write_json(o, &page->list->tasks[i]);
	if (with_deleted)
		write_deleted(o, page);
	json_end_array(o);
}

static struct buf *render_page(struct request *rq, const struct list_request *in,
			       const struct page *page)
{
	struct buf *body = request_buf(rq, LIST_JSON_MAX);
	struct json_out o;

	if (body == NULL)
		return NULL;
	json_out_init(&o, body);
	if (!in->envelope) {
		write_tasks(&o, page, true);
		return body;
	}
	json_begin_object(&o);
	json_key(&o, STR("tasks"));
	write_tasks(&o, page, false);
	if (in->deleted) {
		json_key(&o, STR("deleted"));
		json_begin_array(&o);
		write_deleted(&o, page);
		json_end_array(&o);
	}
	json_key_i64(&o, STR("count"), page->list->total);
	json_key_str_or_null(&o, STR("next_cursor"), page->next);
	json_end_object(&o);
	return body;
}

static int reply_page(struct request *rq, const struct list_request *in, const struct page *page)
{
	struct buf *body = render_page(rq, in, page);

	if (body == NULL)
		return -ENOMEM;
	reply_json(rq, 200, body);
	return 0;
}

static FIBER int read_first(struct request *rq, struct list_request *in, struct arena *arena,
			    struct task_list *ret)
{
	*ret = (struct task_list){ .n = 0 };
	if (in->finds_nothing)
		return 0;
	return task_store_list_wait(request_db(rq), arena, &in->query, ret, &rq->err);
}

static FIBER int list_page(struct request *rq, struct list_request *in)
{
	struct task_list list;
	struct page page = { .list = &list };
	int r;

	in->query.limit = (unsigned)in->limit;
	r = read_first(rq, in, rq->arena, &list);
	if (r == 0 && list.has_more) {
		page.next = list_cursor(rq, in, &list.last);
		r = add_next_link(rq, page.next);
	} else if (r == 0) {
		r = list_read_deleted(rq, in, rq->arena, &page.deleted, &page.n_deleted);
	}
	if (r < 0)
		return r;
	struct str etag = page_etag(rq, &page);
	if (etag.p == NULL)
		return out_of_memory(rq);
	request_add_header(rq, "ETag", etag);
	r = add_total(rq, list.total);
	if (r < 0)
		return r;
	if (has_if_none_match(rq, etag)) {
		reply_empty(rq, 304);
		return 0;
	}
	return reply_page(rq, in, &page);
}

/* A list that fits one page is answered as one; a longer one is streamed, its rows in an arena of
 * their own. */
static FIBER int list_whole(struct request *rq, struct list_request *in, struct arena *arena)
{
	struct task_list first;
	struct page page = { .list = &first };

	in->query.limit = STREAM_PAGE;
	int r = read_first(rq, in, arena, &first);
	if (r == 0)
		r = add_total(rq, first.total);
	if (r < 0)
		return r;
	if (first.has_more)
		return list_stream(rq, in, &first, arena);
	r = list_read_deleted(rq, in, arena, &page.deleted, &page.n_deleted);
	return r < 0 ? r : reply_page(rq, in, &page);
}

static FIBER int list_all(struct request *rq, struct list_request *in)
{
	struct arena *arena = arena_new(STREAM_PAGE * 64 * 1024);

	if (arena == NULL)
		return out_of_memory(rq);
	int r = list_whole(rq, in, arena);
	arena_free(arena);
	return r;
}

FIBER void task_list(struct request *rq)
{
	struct list_request *in = arena_calloc(rq->arena, 1, sizeof(*in));
	int r = in != NULL ? list_request_parse(rq, in) : out_of_memory(rq);

	if (r == 0)
		r = in->limit > 0 ? list_page(rq, in) : list_all(rq, in);
	if (r < 0)
		reply_problem(rq);
}
