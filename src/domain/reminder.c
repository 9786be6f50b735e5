/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a reminder is shown, and what its states are called.
 */
#include "domain/reminder.h"

#include "base/macro.h"

#include <errno.h>
#include <stdlib.h>

const struct err_kind ERR_REMINDER_NOT_FOUND = { "reminder_not_found", 404, ENOENT,
						 "Reminder not found" };

static const struct str STATUS_NAMES[_REMINDER_STATUS_MAX] = {
	[REMINDER_PENDING] = STR_INIT("pending"),   [REMINDER_TRIGGERED] = STR_INIT("triggered"),
	[REMINDER_RETRYING] = STR_INIT("retrying"), [REMINDER_SENT] = STR_INIT("sent"),
	[REMINDER_FAILED] = STR_INIT("failed"),	    [REMINDER_CANCELLED] = STR_INIT("cancelled"),
};

struct str reminder_status_name(enum reminder_status s)
{
	return STATUS_NAMES[s];
}

int reminder_status_parse(struct str name, enum reminder_status *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(STATUS_NAMES); i++) {
		if (!str_eq(name, STATUS_NAMES[i]))
			continue;
		*ret = (enum reminder_status)i;
		return 0;
	}
	return -EINVAL;
}

bool reminder_is_live(const struct reminder *r)
{
	return r->status == REMINDER_PENDING || r->status == REMINDER_TRIGGERED ||
	       r->status == REMINDER_RETRYING;
}

static int by_time(const void *a, const void *b)
{
	const struct reminder *x = a, *y = b;

	if (x->remind_at_us != y->remind_at_us)
		return x->remind_at_us < y->remind_at_us ? -1 : 1;
	return memcmp(&x->id, &y->id, sizeof(x->id));
}

void reminders_sort(struct reminder *list, size_t n)
{
	qsort(list, n, sizeof(*list), by_time);
}

void reminder_write_json(struct json_out *o, const struct reminder *r)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(&r->id, id);
	json_begin_object(o);
	json_key_str(o, STR("id"), str_from(id));
	json_key_i64(o, STR("task_id"), r->task_id);
	json_key_time(o, STR("remind_at"), r->remind_at_us);
	json_key(o, STR("offset_minutes"));
	if (r->offset_minutes == REMINDER_NO_OFFSET)
		json_null(o);
	else
		json_i64(o, r->offset_minutes);
	json_key(o, STR("channels"));
	channels_write_json(o, r->channels);
	json_key_str(o, STR("status"), STATUS_NAMES[r->status]);
	json_key(o, STR("sent_at"));
	if (r->sent_at_us == 0)
		json_null(o);
	else
		json_time(o, r->sent_at_us);
	json_key_i64(o, STR("retry_count"), r->retry_count);
	json_key_str_or_null(o, STR("last_error"), r->last_error);
	json_key_i64(o, STR("version"), r->version);
	json_end_object(o);
}
