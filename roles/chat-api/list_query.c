/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query of a list: filter, order, and the place where a page begins. A cursor carries that
 * place and a hash of it and of everything else: it fits no other list, and a part of it fits none.
 */
#include "list_private.h"
#include "base/base64.h"
#include "base/hash.h"
#include "base/time.h"
#include "domain/search.h"
#include "store/preferences.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGE_MAX = 200, CURSOR_TEXT_MAX = SORT_KEY_MAX + 80, FILTER_TEXT_MAX = 16 * 1024 };

/* What stands for a missing due date in a place lies a year outside. */
static const int64_t PLACE_MARGIN_US = 366 * TIME_S_PER_DAY * TIME_US_PER_S;

/* The first name of a sort is the API's, others are older ones. */
static const struct {
	struct str name;
	enum task_sort sort;
	bool ascending; /* unless the client says otherwise */
} SORTS[] = {
	{ STR_INIT("created"), TASK_SORT_CREATED, false },
	{ STR_INIT("created_at"), TASK_SORT_CREATED, false },
	{ STR_INIT("updated"), TASK_SORT_UPDATED, false },
	{ STR_INIT("updated_at"), TASK_SORT_UPDATED, false },
	{ STR_INIT("due_date"), TASK_SORT_DUE_DATE, true },
	{ STR_INIT("due_at"), TASK_SORT_DUE_DATE, true },
	{ STR_INIT("priority"), TASK_SORT_PRIORITY, false },
	{ STR_INIT("title"), TASK_SORT_TITLE, true },
	{ STR_INIT("completed"), TASK_SORT_COMPLETED, true },
};

static int parse_bool(struct request *rq, const char *name, bool *ret_given, bool *ret)
{
	struct str text;

	int r = request_query(rq, name, &text);
	if (r < 0 || text.p == NULL)
		return r;
	*ret = str_eq(text, STR("true")) || str_eq(text, STR("1"));
	if (!*ret && !str_eq(text, STR("false")) && !str_eq(text, STR("0")))
		return request_query_error(rq, name, "must be true or false");
	*ret_given = true;
	return 0;
}

static int parse_status(struct request *rq, struct task_filter *f)
{
	struct str text;

	int r = request_query(rq, "status", &text);
	if (r < 0 || text.p == NULL || str_eq(text, STR("all")))
		return r;
	f->has_completed = true;
	f->completed = str_eq(text, STR("completed"));
	if (!f->completed && !str_eq(text, STR("pending")))
		return request_query_error(rq, "status", "must be all, pending or completed");
	return 0;
}

static int parse_priorities(struct request *rq, struct task_filter *f)
{
	enum task_priority p;
	struct str *names;
	size_t n;

	int r = request_query_all(rq, "priority", 4 * _TASK_PRIORITY_MAX, &names, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (task_priority_parse(names[i], &p) < 0)
			return request_query_error(rq, "priority",
						   "must be low, medium, high or urgent");
		f->priorities |= 1U << p;
	}
	return r;
}

static bool has_key(const struct str *keys, size_t n, struct str key)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(keys[i], key))
			return true;
	}
	return false;
}

static int parse_tag_mode(struct request *rq, struct task_filter *f)
{
	struct str mode;

	int r = request_query(rq, "tag_mode", &mode);
	if (r < 0 || mode.p == NULL)
		return r;
	f->any_tag = str_eq(mode, STR("any"));
	if (!f->any_tag && !str_eq(mode, STR("all")))
		return request_query_error(rq, "tag_mode", "must be all or any");
	return 0;
}

static int parse_tags(struct request *rq, struct task_filter *f)
{
	struct tag_name tag;
	struct str *names;
	size_t n;

	int r = request_query_all(rq, "tag", TAGS_OF_TASK_MAX, &names, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = tag_name_parse(rq->arena, names[i], "query.tag", &tag, &rq->err);
		if (r == 0 && !has_key(names, f->n_tag_keys, tag.key))
			names[f->n_tag_keys++] = tag.key;
	}
	f->tag_keys = names;
	return r < 0 ? r : parse_tag_mode(rq, f);
}

/* The user's zone, which only dates without one need. */
static FIBER int zone_of_user(struct request *rq, const struct tz **ret)
{
	struct idempotency_answer no_answer;
	struct preferences p;
	bool answered;

	int r = preferences_store_read_wait(request_db(rq), rq->arena, rq->user, NULL, &p,
					    &answered, &no_answer, &rq->err);
	if (r < 0)
		return r;
	const struct task user = { .time_zone = p.time_zone };
	*ret = task_tz(&user);
	return 0;
}

/* A plus that was sent as it is has become a space. */
static struct str restore_plus(struct request *rq, struct str text)
{
	const size_t offset = sizeof("+hh:mm") - 1;

	if (text.n <= offset || text.p[text.n - offset] != ' ')
		return text;
	return arena_printf(rq->arena, "%.*s+%.*s", (int)(text.n - offset), text.p,
			    (int)(offset - 1), text.p + text.n - offset + 1);
}

static FIBER int parse_time(struct request *rq, const char *name, bool *ret_given, int64_t *ret_us)
{
	const struct tz *tz = NULL;
	struct task_date date;
	struct civil unused;
	bool has_offset;
	struct str text;
	char field[40];

	int r = request_query(rq, name, &text);
	if (r < 0 || text.p == NULL)
		return r;
	text = restore_plus(rq, text);
	if (text.p == NULL)
		return out_of_memory(rq);
	if (time_parse_rfc3339(text, ret_us, &unused, &has_offset) < 0 || !has_offset)
		r = zone_of_user(rq, &tz);
	else
		r = tz_load(STR("UTC"), &tz);
	if (r < 0)
		return r;
	snprintf(field, sizeof(field), "query.%s", name);
	r = task_date_parse(text, tz, field, &date, &rq->err);
	if (r < 0)
		return r;
	*ret_given = true;
	*ret_us = date.at_us;
	return 0;
}

static int parse_search(struct request *rq, struct list_request *ret)
{
	struct task_filter *f = &ret->query.filter;
	struct str text;

	int r = request_query_either(rq, "search", "q", &text);
	if (r < 0 || text.p == NULL || utf8_trim(text).n == 0)
		return r;
	if (utf8_count(text) > SEARCH_QUERY_MAX)
		return request_query_error(rq, "search", "may have at most 200 characters");
	if (search_query(rq->arena, text, &f->search) < 0)
		return out_of_memory(rq);
	ret->finds_nothing = f->search.p == NULL;
	if (f->search.p != NULL)
		ret->query.order.by = TASK_SORT_RANK;
	return 0;
}

static int parse_order(struct request *rq, struct task_order *order)
{
	struct str name, direction;
	size_t i = 0;

	int r = request_query_either(rq, "sort", "sort_by", &name);
	if (r == 0)
		r = request_query_either(rq, "order", "sort_order", &direction);
	if (r < 0)
		return r;
	if (name.p != NULL) {
		while (i < ARRAY_SIZE(SORTS) && !str_eq(name, SORTS[i].name))
			i++;
		if (i == ARRAY_SIZE(SORTS))
			return request_query_error(rq, "sort",
						   "must be created, updated, due_date, priority, "
						   "title or completed");
		order->by = SORTS[i].sort;
		order->ascending = SORTS[i].ascending;
	}
	if (direction.p == NULL)
		return 0;
	order->ascending = str_eq(direction, STR("asc"));
	if (!order->ascending && !str_eq(direction, STR("desc")))
		return request_query_error(rq, "order", "must be asc or desc");
	return 0;
}

/* Everything that makes this list another one than others, and this place another one in it. */
static uint64_t list_scope(struct request *rq, const struct list_request *in,
			   const struct task_position *place)
{
	const struct task_filter *f = &in->query.filter;
	struct buf *text = request_buf(rq, FILTER_TEXT_MAX);

	if (text == NULL)
		return 0;
	buf_printf(text, "%d%d%d%d %u %d ", (int)in->query.order.by, in->query.order.ascending,
		   f->has_completed, f->completed, f->priorities, f->any_tag);
	buf_printf(text, "%d %lld %d %lld ", f->has_due_before, (long long)f->due_before_us,
		   f->has_due_after, (long long)f->due_after_us);
	buf_printf(text, "%d%d %d %lld ", f->has_overdue, f->overdue, f->has_updated_since,
		   (long long)f->updated_since_us);
	for (size_t i = 0; i < f->n_tag_keys; i++)
		buf_printf(text, "%.*s,", STR_ARGS(f->tag_keys[i]));
	buf_append_char(text, ' ');
	buf_append_str(text, f->search);
	buf_printf(text, " %lld %lld ", (long long)place->number, (long long)place->id);
	buf_append_str(text, place->text);
	return hash_stable64(rq->user) ^ hash_stable64(buf_str(text));
}

struct str list_cursor(struct request *rq, const struct list_request *in,
		       const struct task_position *last)
{
	struct str text =
		arena_printf(rq->arena, "%lld.%lld.%llu.%.*s", (long long)last->number,
			     (long long)last->id, (unsigned long long)list_scope(rq, in, last),
			     STR_ARGS(last->text));
	struct buf *out = request_buf(rq, 2 * CURSOR_TEXT_MAX);

	if (text.p == NULL || out == NULL)
		return (struct str){ NULL, 0 };
	base64url_encode(text, out);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

static bool is_place(const struct task_list_query *q, const struct task_position *p)
{
	if (p->id < 1 || !utf8_valid(p->text) || memchr(p->text.p, 0, p->text.n) != NULL)
		return false;
	if (q->order.by == TASK_SORT_TITLE)
		return p->number == 0;
	return p->text.n == 0 && p->number >= TIME_MIN_US - PLACE_MARGIN_US &&
	       p->number <= TIME_MAX_US + PLACE_MARGIN_US;
}

/* A cursor can be made by anybody. */
static bool decode_cursor(struct request *rq, const struct list_request *in, struct str cursor,
			  struct task_position *ret)
{
	char *text = arena_alloc(rq->arena, CURSOR_TEXT_MAX), scope[24];
	struct str rest, part[3], place;
	size_t n;

	if (text == NULL || base64url_decode(cursor, text, CURSOR_TEXT_MAX, &n) < 0)
		return false;
	rest = (struct str){ text, n };
	for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
		if (!str_split(&rest, '.', &part[i]))
			return false;
	}
	/* The place in words may hold anything, and is there even when it is empty. */
	ret->text = rest;
	if (!str_split(&rest, '.', &place) || str_parse_i64(part[0], &ret->number) < 0 ||
	    str_parse_i64(part[1], &ret->id) < 0)
		return false;
	snprintf(scope, sizeof(scope), "%llu", (unsigned long long)list_scope(rq, in, ret));
	return str_eq(part[2], str_from(scope)) && is_place(&in->query, ret);
}

static int parse_place(struct request *rq, struct list_request *ret)
{
	struct str cursor;

	int r = request_query_i64(rq, "limit", 1, PAGE_MAX, &ret->limit);
	if (r == 0)
		r = request_query_i64(rq, "envelope", 0, 1, &ret->envelope);
	if (r == 0)
		r = request_query(rq, "cursor", &cursor);
	if (r < 0 || cursor.p == NULL)
		return r;
	if (!decode_cursor(rq, ret, cursor, &ret->query.position))
		return request_query_error(rq, "cursor",
					   "is damaged, or was made for another list: "
					   "start without one");
	ret->query.after = true;
	return 0;
}

static int parse_deleted(struct request *rq, struct list_request *ret)
{
	bool given = false, deleted = false;

	int r = parse_bool(rq, "deleted", &given, &deleted);
	if (r == 0 && deleted && !ret->query.filter.has_updated_since)
		return request_query_error(rq, "deleted", "goes with updated_since");
	ret->deleted = deleted;
	return r;
}

int list_request_parse(struct request *rq, struct list_request *ret)
{
	struct task_filter *f = &ret->query.filter;

	ret->query.user_id = rq->user;
	int r = parse_status(rq, f);
	if (r == 0)
		r = parse_priorities(rq, f);
	if (r == 0)
		r = parse_tags(rq, f);
	if (r == 0)
		r = parse_bool(rq, "overdue", &f->has_overdue, &f->overdue);
	if (r == 0)
		r = parse_search(rq, ret);
	if (r == 0)
		r = parse_order(rq, &ret->query.order);
	if (r == 0)
		r = parse_time(rq, "due_before", &f->has_due_before, &f->due_before_us);
	if (r == 0)
		r = parse_time(rq, "due_after", &f->has_due_after, &f->due_after_us);
	if (r == 0)
		r = parse_time(rq, "updated_since", &f->has_updated_since, &f->updated_since_us);
	if (r == 0)
		r = parse_deleted(rq, ret);
	return r < 0 ? r : parse_place(rq, ret);
}

static bool is_cursor_pair(struct str pair)
{
	struct str key;

	str_split(&pair, '=', &key);
	return str_eq(key, STR("cursor"));
}

int add_next_link(struct request *rq, struct str cursor)
{
	struct str rest = rq->http->head.query, pair;
	struct buf *link = request_buf(rq, 16 * 1024);

	if (link == NULL || cursor.p == NULL)
		return out_of_memory(rq);
	buf_printf(link, "<%.*s?", STR_ARGS(rq->http->head.path));
	while (rest.n > 0 && str_split(&rest, '&', &pair)) {
		if (pair.n > 0 && !is_cursor_pair(pair))
			buf_printf(link, "%.*s&", STR_ARGS(pair));
	}
	buf_printf(link, "cursor=%.*s>; rel=\"next\"", STR_ARGS(cursor));
	if (buf_status(link) < 0)
		return out_of_memory(rq);
	request_add_header(rq, "Link", buf_str(link));
	return 0;
}
