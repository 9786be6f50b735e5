/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what others wrote, older ones among them: flat data, task_data, numbers where texts
 * belong. What the chain is kept by is read strictly: whose event it is, and that it is the event
 * it says.
 */
#include "auditor_private.h"

#include "auth/jwt.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/time.h"

#include <errno.h>

struct words {
	struct json_str user_id, event_id, timestamp;
	struct json_str task_id, sequence, metadata, payload, task_data; /* as they stand */
};

static const struct json_field WORDS[] = {
	JSON_FIELD(struct words, user_id, "user_id", JSON_KIND_STR),
	JSON_FIELD(struct words, event_id, "event_id", JSON_KIND_STR),
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

struct record {
	struct json_str data_base64;
};

static const struct json_field RECORD[] = {
	JSON_FIELD(struct record, data_base64, "data_base64", JSON_KIND_STR),
	JSON_FIELD_END,
};

/* 5 or "5"; AUDIT_NONE for anything else. */
static int64_t number_of(const struct json_str *v)
{
	struct str s = v->state == JSON_SET ? v->v : (struct str){ NULL, 0 };
	int64_t n;

	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = (struct str){ s.p + 1, s.n - 2 };
	return str_parse_i64(s, &n) == 0 ? n : AUDIT_NONE;
}

static int read_inner(struct arena *arena, const struct json_str *v, const char *where,
		      struct inner *ret, struct err *reterr)
{
	if (v->state != JSON_SET || v->v.n == 0 || v->v.p[0] != '{')
		return 0;
	return json_parse(arena, v->v, where, INNER, ret, reterr);
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
										   : AUDIT_NONE;
}

static int64_t time_of(const struct words *w, const struct cloudevent *ce)
{
	int64_t us = AUDIT_NONE;

	if (w->timestamp.state == JSON_SET)
		us = parse_time(w->timestamp.v);
	if (us == AUDIT_NONE)
		us = parse_time(ce->time);
	return us == AUDIT_NONE ? time_now_us() : us;
}

static struct str first_set(const struct json_str *a, const struct json_str *b,
			    const struct json_str *c)
{
	if (a->state == JSON_SET)
		return a->v;
	if (b->state == JSON_SET)
		return b->v;
	return c->state == JSON_SET ? c->v : (struct str){ NULL, 0 };
}

static int64_t task_of(const struct words *w, const struct inner *payload,
		       const struct inner *task_data)
{
	const struct json_str *const places[] = { &w->task_id, &payload->task_id,
						  &task_data->task_id, &task_data->id };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int64_t n = number_of(places[i]);

		if (n > 0)
			return n;
	}
	return AUDIT_NONE;
}

/* A number that is there must be one: gaps are counted by it. */
static int read_sequence(const struct words *w, int64_t *ret, struct err *reterr)
{
	*ret = number_of(&w->sequence);
	if (w->sequence.state != JSON_SET || *ret != AUDIT_NONE)
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

static int check_size(const struct cloudevent *ce, struct err *reterr)
{
	if (ce->id.n > AUDIT_TEXT_MAX || ce->type.n > AUDIT_TEXT_MAX)
		return err_set(reterr, &ERR_INVALID, "event", "id and type have at most %d bytes",
			       AUDIT_TEXT_MAX);
	if (ce->data.n > AUDIT_DATA_MAX)
		return err_set(reterr, &ERR_INVALID, "event.data", "has more than %d bytes",
			       AUDIT_DATA_MAX);
	if (ce->data.p == NULL)
		return err_set(reterr, &ERR_INVALID, "event.data", "must be there");
	return 0;
}

/* What an event has outside is not looked for inside, which is most of its bytes. */
static bool is_complete(const struct words *w)
{
	return w->user_id.state == JSON_SET && number_of(&w->task_id) > 0;
}

static int read_words(struct arena *arena, const struct cloudevent *ce, struct audit_event *ret,
		      struct err *reterr)
{
	struct words w = { .user_id = { .state = JSON_ABSENT } };
	struct inner payload = { .user_id = { .state = JSON_ABSENT } }, task_data = payload,
		     metadata = payload;
	int r = json_parse(arena, ce->data, "event.data", WORDS, &w, reterr);

	if (r == 0 && !is_complete(&w))
		r = read_inner(arena, &w.payload, "event.data.payload", &payload, reterr);
	if (r == 0 && !is_complete(&w))
		r = read_inner(arena, &w.task_data, "event.data.task_data", &task_data, reterr);
	if (r == 0)
		r = read_inner(arena, &w.metadata, "event.data.metadata", &metadata, reterr);
	if (r == 0)
		r = check_version(&metadata, reterr);
	if (r == 0)
		r = read_sequence(&w, &ret->sequence, reterr);
	if (r < 0)
		return r;
	ret->user_id = first_set(&w.user_id, &payload.user_id, &task_data.user_id);
	if (!jwt_subject_is_valid(ret->user_id))
		return err_set(reterr, &ERR_INVALID, "event.data.user_id",
			       "must be there, 1 to 128 bytes without control characters");
	ret->task_id = task_of(&w, &payload, &task_data);
	ret->at_us = time_of(&w, ce);
	return check_envelope(ce, &w, ret->user_id, reterr);
}

int auditor_read_event(struct arena *arena, struct str topic, const struct cloudevent *ce,
		       struct audit_event *ret, struct err *reterr)
{
	struct audit_event e = {
		.event_id = ce->id, .topic = topic, .type = ce->type, .data = ce->data
	};
	int r = check_size(ce, reterr);

	if (r == 0)
		r = read_words(arena, ce, &e, reterr);
	if (r < 0)
		return r;
	r = cloudevent_identity(arena, ce, e.identity);
	if (r == -ENOMEM)
		return err_unavailable(reterr, 1, "out of memory");
	if (r < 0)
		return err_set(reterr, &ERR_INVALID, "event.data", "is not JSON");
	*ret = e;
	return 0;
}

int auditor_read_record(struct arena *arena, struct str body, struct str *ret)
{
	struct record e = { .data_base64 = { .state = JSON_ABSENT } };
	int r = json_parse(arena, body, "record", RECORD, &e, NULL);

	if (r == 0 && e.data_base64.state == JSON_SET)
		r = base64_decode(arena, e.data_base64.v, ret);
	else if (r != -ENOMEM)
		r = -EINVAL;
	if (r == -EINVAL) { /* not wrapped, or not as we know it: better the whole than nothing */
		*ret = body;
		r = 0;
	}
	return r;
}
