/* SPDX-License-Identifier: Apache-2.0 */
/*
 * todod dlq list, show, replay, drop. A replay is the auditor's: it is told that the time has come.
 */
#include "base/json_out.h"
#include "command_private.h"
#include "store/dead_letters.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

static void write_time(struct json_out *o, struct str key, int64_t us)
{
	if (us == DEAD_LETTER_NEVER)
		json_key_null(o, key);
	else
		json_key_time(o, key, us);
}

static void write_letter(struct buf *out, const struct dead_letter *d)
{
	char id[UUID_TEXT_SIZE];
	struct json_out o;

	uuid_format(&d->id, id);
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("id"), str_from(id));
	json_key_str(&o, STR("topic"), d->topic);
	json_key_time(&o, STR("received_at"), d->received_at_us);
	json_key_str_or_null(&o, STR("event_id"), d->event_id);
	json_key_str_or_null(&o, STR("user_id"), d->user_id);
	json_key_str(&o, STR("reason"), d->reason);
	json_key_i64(&o, STR("replays"), d->replays);
	write_time(&o, STR("next_replay_at"), d->next_replay_at_us);
	write_time(&o, STR("resolved_at"), d->resolved_at_us);
	json_end_object(&o);
	buf_append_char(out, '\n');
}

static FIBER int list(struct command_session *s, const struct arguments *a, struct buf *out)
{
	struct dead_letters page = { .n = DEAD_LETTER_PAGE_MAX };
	struct dead_letter last;
	const struct dead_letter *after = NULL;
	struct err err = { 0 };
	int r = EX_OK;

	while (r == EX_OK && page.n == DEAD_LETTER_PAGE_MAX) {
		r = dead_letter_list_wait(s->db, s->arena, after, &page, &err);
		if (r < 0)
			return command_failed(a, r, &err);
		for (size_t i = 0; r == EX_OK && i < page.n; i++) {
			write_letter(out, &page.list[i]);
			r = command_print(out);
		}
		if (page.n > 0) {
			last = page.list[page.n - 1];
			after = &last; /* its place, not its texts */
		}
		arena_reset(s->arena);
	}
	return r;
}

/* What is known of it, then the record, byte by byte as it came. */
static FIBER int show(struct command_session *s, const struct uuid *id, struct buf *out,
		      struct err *reterr)
{
	struct dead_letter d;
	int r = dead_letter_get_wait(s->db, s->arena, id, &d, reterr);

	if (r < 0)
		return r;
	write_letter(out, &d);
	r = command_print(out);
	if (r == EX_OK && fwrite(d.body.p, 1, d.body.n, stdout) != d.body.n)
		r = EX_IOERR;
	printf("\n");
	return r;
}

static FIBER int replay(struct command_session *s, const struct uuid *id, struct err *reterr)
{
	int r = dead_letter_replay_wait(s->db, s->arena, id, reterr);

	if (r == 0)
		printf("the auditor publishes it again within a minute\n");
	return r;
}

FIBER int command_dlq(struct command_session *s, const struct arguments *a)
{
	struct err err = { 0 };
	struct uuid id;
	struct buf out;
	int r;

	if (a->id.p != NULL && uuid_parse(a->id, &id) < 0) {
		fprintf(stderr, "todod: dlq %.*s: the ID must be one that todod dlq list shows\n",
			STR_ARGS(a->action));
		return EX_USAGE;
	}
	buf_init(&out, LINE_MAX_BYTES);
	if (str_eq(a->action, STR("list")))
		r = list(s, a, &out);
	else if (str_eq(a->action, STR("show")))
		r = show(s, &id, &out, &err);
	else if (str_eq(a->action, STR("replay")))
		r = replay(s, &id, &err);
	else
		r = dead_letter_drop_wait(s->db, &id, &err);
	buf_done(&out);
	return r < 0 ? command_failed(a, r, &err) : r;
}
