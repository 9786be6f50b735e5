/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event as the trail keeps it, and the bytes of a record that is none.
 */
#include "auditor_private.h"

#include "app/delivery.h"
#include "base/base64.h"
#include "base/json.h"

#include <errno.h>

struct envelope {
	struct json_str data_base64;
};

static const struct json_field ENVELOPE[] = {
	JSON_FIELD(struct envelope, data_base64, "data_base64", JSON_KIND_STR),
	JSON_FIELD_END,
};

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

int auditor_read_event(struct arena *arena, struct str topic, const struct cloudevent *ce,
		       struct audit_event *ret, struct err *reterr)
{
	struct audit_event e = {
		.event_id = ce->id, .topic = topic, .type = ce->type, .data = ce->data
	};
	struct delivered_event read;
	int r = check_size(ce, reterr);

	if (r == 0)
		r = delivery_read(arena, ce, &read, reterr);
	if (r < 0)
		return r;
	e.user_id = read.user_id;
	e.task_id = read.task_id;
	e.sequence = read.sequence;
	e.at_us = read.at_us;
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
	struct envelope e = { .data_base64 = { .state = JSON_ABSENT } };
	int r = json_parse(arena, body, "record", ENVELOPE, &e, NULL);

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
