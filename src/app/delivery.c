/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of other programs and other years. What they call things is read loosely; who they are
 * about is not.
 */
#include "app/delivery.h"

#include "auth/jwt.h"
#include "base/json.h"
#include "base/time.h"

#include <errno.h>

enum { PAUSE_MIN_MS = 50, PAUSE_MAX_MS = 1000 };

/* What a sidecar calls an event that it wrapped itself. */
static const struct str WRAPPED = STR_INIT("com.dapr.event.sent");

struct words {
	struct json_str user_id, event_id, event_type, timestamp;
	struct json_str task_id, sequence, metadata, payload, task_data; /* as they stand */
};

static const struct json_field WORDS[] = {
	JSON_FIELD(struct words, user_id, "user_id", JSON_KIND_STR),
	JSON_FIELD(struct words, event_id, "event_id", JSON_KIND_STR),
	JSON_FIELD(struct words, event_type, "event_type", JSON_KIND_RAW),
	JSON_FIELD(struct words, timestamp, "timestamp", JSON_KIND_STR),
	JSON_FIELD(struct words, task_id, "task_id", JSON_KIND_RAW),
	JSON_FIELD(struct words, sequence, "sequence", JSON_KIND_RAW),
	JSON_FIELD(struct words, metadata, "metadata", JSON_KIND_RAW),
	JSON_FIELD(struct words, payload, "payload", JSON_KIND_RAW),
	JSON_FIELD(struct words, task_data, "task_data", JSON_KIND_RAW),
	JSON_FIELD_END,
};

/* What may stand one level deeper. */
struct inner {
	struct json_str user_id, task_id, id, version;
};

static const struct json_field INNER[] = {
	JSON_FIELD(struct inner, user_id, "user_id", JSON_KIND_STR),
	JSON_FIELD(struct inner, task_id, "task_id", JSON_KIND_RAW),
	JSON_FIELD(struct inner, id, "id", JSON_KIND_RAW),
	JSON_FIELD(struct inner, version, "version", JSON_KIND_RAW),
	JSON_FIELD_END,
};

struct holder {
	struct json_str task;
};

static const struct json_field HOLDER[] = {
	JSON_FIELD(struct holder, task, "task", JSON_KIND_RAW),
	JSON_FIELD_END,
};

/* The parts of an event's data. */
struct parts {
	struct words w;
	struct inner payload, task_data, metadata;
};

/* 5 or "5"; DELIVERY_NONE for anything else. */
static int64_t number_of(const struct json_str *v)
{
	struct str s = v->state == JSON_SET ? v->v : (struct str){ NULL, 0 };
	int64_t n;

	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = (struct str){ s.p + 1, s.n - 2 };
	return str_parse_i64(s, &n) == 0 ? n : DELIVERY_NONE;
}

static struct str object_of(const struct json_str *v)
{
	bool is_one = v->state == JSON_SET && v->v.n > 0 && v->v.p[0] == '{';

	return is_one ? v->v : (struct str){ NULL, 0 };
}

static int read_inner(struct arena *arena, const struct json_str *v, const char *where,
		      struct inner *ret, struct err *reterr)
{
	struct str object = object_of(v);

	return object.p != NULL ? json_parse(arena, object, where, INNER, ret, reterr) : 0;
}

/* What an event has outside is not looked for inside, which is most of its bytes. */
static bool is_complete(const struct words *w)
{
	return w->user_id.state == JSON_SET && number_of(&w->task_id) > 0;
}

static int read_parts(struct arena *arena, struct str data, struct parts *p, struct err *reterr)
{
	int r = json_parse(arena, data, "event.data", WORDS, &p->w, reterr);

	if (r == 0 && !is_complete(&p->w))
		r = read_inner(arena, &p->w.payload, "event.data.payload", &p->payload, reterr);
	if (r == 0 && !is_complete(&p->w))
		r = read_inner(arena, &p->w.task_data, "event.data.task_data", &p->task_data,
			       reterr);
	if (r == 0)
		r = read_inner(arena, &p->w.metadata, "event.data.metadata", &p->metadata, reterr);
	return r;
}

/* v1, or nothing said. */
static int check_version(const struct inner *metadata, struct err *reterr)
{
	const struct json_str *v = &metadata->version;

	if (v->state != JSON_SET || str_eq(v->v, STR("\"v1\"")) || str_eq(v->v, STR("1")) ||
	    str_eq(v->v, STR("\"1\"")) || str_eq(v->v, STR("\"1.0\"")))
		return 0;
	return err_set(reterr, &ERR_INVALID, "event.data.metadata.version", "must be v1");
}

static int64_t parse_time(struct str s)
{
	struct civil civil;
	bool has_offset;
	int64_t us;

	return s.p != NULL && time_parse_rfc3339(s, &us, &civil, &has_offset) == 0 ? us
										   : DELIVERY_NONE;
}

static int64_t time_of(const struct words *w, const struct cloudevent *ce)
{
	int64_t us = DELIVERY_NONE;

	if (w->timestamp.state == JSON_SET)
		us = parse_time(w->timestamp.v);
	if (us == DELIVERY_NONE)
		us = parse_time(ce->time);
	return us == DELIVERY_NONE ? time_now_us() : us;
}

static struct str user_of(const struct parts *p)
{
	if (p->w.user_id.state == JSON_SET)
		return p->w.user_id.v;
	if (p->payload.user_id.state == JSON_SET)
		return p->payload.user_id.v;
	return p->task_data.user_id.state == JSON_SET ? p->task_data.user_id.v
						      : (struct str){ NULL, 0 };
}

static int64_t task_of(const struct parts *p)
{
	const struct json_str *const places[] = { &p->w.task_id, &p->payload.task_id,
						  &p->task_data.task_id, &p->task_data.id };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int64_t n = number_of(places[i]);

		if (n > 0)
			return n;
	}
	return DELIVERY_NONE;
}

/* A plain word in quotes; an escape in it makes it a type nobody knows. */
static struct str type_of(const struct words *w, const struct cloudevent *ce)
{
	struct str s = w->event_type.v;

	if (!str_eq(ce->type, WRAPPED) || w->event_type.state != JSON_SET || s.n < 2 ||
	    s.p[0] != '"')
		return ce->type;
	return (struct str){ s.p + 1, s.n - 2 };
}

/* A number that is there must be one: gaps are counted by it. */
static int read_sequence(const struct words *w, int64_t *ret, struct err *reterr)
{
	*ret = number_of(&w->sequence);
	if (w->sequence.state != JSON_SET || *ret != DELIVERY_NONE)
		return 0;
	return err_set(reterr, &ERR_INVALID, "event.data.sequence", "must be a whole number");
}

/* The envelope and the data must tell of the same. */
static int check_envelope(const struct cloudevent *ce, const struct words *w, struct str user_id,
			  struct err *reterr)
{
	if (ce->partition_key.p != NULL && !str_eq(ce->partition_key, user_id))
		return err_set(reterr, &ERR_INVALID, "event.data.user_id",
			       "is not whose event the envelope says it is");
	if (w->event_id.state == JSON_SET && !str_eq(w->event_id.v, ce->id))
		return err_set(reterr, &ERR_INVALID, "event.data.event_id",
			       "is not the id of the envelope");
	return 0;
}

static void take(const struct parts *p, const struct cloudevent *ce, struct delivered_event *e)
{
	e->id = ce->id;
	e->type = type_of(&p->w, ce);
	e->user_id = user_of(p);
	e->task_id = task_of(p);
	e->at_us = time_of(&p->w, ce);
	e->payload = object_of(&p->w.payload);
	e->task_data = object_of(&p->w.task_data);
}

int delivery_read(struct arena *arena, const struct cloudevent *ce, struct delivered_event *ret,
		  struct err *reterr)
{
	struct parts *p = arena_calloc(arena, 1, sizeof(*p));
	struct delivered_event e = { .sequence = DELIVERY_NONE };

	if (p == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	if (ce->data.p == NULL)
		return err_set(reterr, &ERR_INVALID, "event.data", "must be there");
	int r = read_parts(arena, ce->data, p, reterr);
	if (r == 0)
		r = check_version(&p->metadata, reterr);
	if (r == 0)
		r = read_sequence(&p->w, &e.sequence, reterr);
	if (r < 0)
		return r;
	take(p, ce, &e);
	if (!jwt_subject_is_valid(e.user_id))
		return err_set(reterr, &ERR_INVALID, "event.data.user_id",
			       "must be there, 1 to 128 bytes without control characters");
	r = check_envelope(ce, &p->w, e.user_id, reterr);
	if (r == 0)
		*ret = e;
	return r;
}

int delivery_task(struct arena *arena, const struct delivered_event *e, struct str *ret,
		  struct err *reterr)
{
	struct holder holder = { .task = { .state = JSON_ABSENT } };
	int r = e->payload.p != NULL ? json_parse(arena, e->payload, "event.data.payload", HOLDER,
						  &holder, reterr)
				     : 0;

	if (r < 0)
		return r;
	*ret = object_of(&holder.task);
	if (ret->p == NULL)
		*ret = e->task_data;
	return 0;
}

bool delivery_is(const struct delivered_event *e, const char *noun, const char *verb)
{
	struct str n = str_from(noun), rest = e->type;

	if (rest.n > n.n + 1 && str_eq_nocase((struct str){ rest.p, n.n }, n) &&
	    (rest.p[n.n] == '.' || rest.p[n.n] == '_'))
		rest = (struct str){ rest.p + n.n + 1, rest.n - n.n - 1 };
	return str_eq_nocase(rest, str_from(verb));
}

FIBER bool delivery_wait_again(int r, int64_t until_ms, int64_t *pause_ms)
{
	if (r != -EAGAIN && r != -ETIME && r != -ESTALE)
		return false;
	*pause_ms = *pause_ms == 0 ? PAUSE_MIN_MS : 2 * *pause_ms;
	if (*pause_ms > PAUSE_MAX_MS)
		*pause_ms = PAUSE_MAX_MS;
	if (time_monotonic_ms() + *pause_ms >= until_ms)
		return false;
	return fiber_sleep(*pause_ms) == 0;
}
