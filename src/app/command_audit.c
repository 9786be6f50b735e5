/* SPDX-License-Identifier: Apache-2.0 */
/*
 * todod audit verify, export, erase. Results are lines of JSON on standard output.
 */
#include "app/audit_keys.h"
#include "base/json_out.h"
#include "command_private.h"
#include "store/audit.h"
#include "store/dead_letters.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

enum { LINE_MAX_BYTES = 4 * 1024 * 1024 };

/* Hexadecimal, as a string. */
static void add_hex(struct arena *arena, struct json_out *o, struct str key, struct str bytes)
{
	struct buf *hex = arena_buf(arena, LINE_MAX_BYTES);

	if (hex == NULL) {
		o->buf->failed = true;
		return;
	}
	for (size_t i = 0; i < bytes.n; i++)
		buf_printf(hex, "%02x", (uint8_t)bytes.p[i]);
	json_key_str(o, key, buf_str(hex));
	o->buf->failed |= hex->failed;
}

/* ---- verify ---- */

static void print_finding(const struct audit_finding *f, void *arg)
{
	struct buf *out = arg;
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("fault"), str_from(audit_fault_name(f->fault)));
	json_key_str_or_null(&o, STR("user"), f->user_id);
	json_key_i64(&o, STR("n"), f->n);
	json_end_object(&o);
	buf_append_char(out, '\n');
	(void)command_print(out);
}

static void write_summary(struct arena *arena, struct buf *out, const struct audit_verification *v)
{
	const struct str last = { (const char *)v->last_checkpoint, sizeof(v->last_checkpoint) };
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_i64(&o, STR("faults"), v->n_findings);
	json_key_i64(&o, STR("users"), v->n_users);
	json_key_i64(&o, STR("rows"), v->n_rows);
	json_key_i64(&o, STR("checkpoints"), v->n_checkpoints);
	json_key_i64(&o, STR("heads"), v->n_heads);
	if (v->n_checkpoints > 0)
		add_hex(arena, &o, STR("last_checkpoint"), last);
	json_key_bool(&o, STR("payloads_opened"), v->kek != NULL);
	json_key_bool(&o, STR("signatures_checked"), v->is_signed != NULL);
	json_end_object(&o);
	buf_append_char(out, '\n');
}

static FIBER int verify(struct command_session *s, const struct arguments *a,
			struct audit_keys *keys, struct buf *out)
{
	struct audit_verification v = {
		.rows = s->db,
		.heads = s->checker,
		.kek = keys->has_kek ? &keys->kek : NULL,
		.is_signed = keys->checkpoint != NULL ? audit_keys_signed : NULL,
		.is_signed_arg = keys,
		.found = print_finding,
		.found_arg = out,
	};
	struct err err = { 0 };
	int r = audit_verify_wait(&v, a->user, &err);

	if (r < 0)
		return command_failed(a, r, &err);
	write_summary(s->arena, out, &v);
	r = command_print(out);
	if (r == EX_OK && v.n_findings > 0) {
		fprintf(stderr,
			"todod: audit verify: %lld faults: what was written is not what is there\n",
			(long long)v.n_findings);
		return EX_DATAERR;
	}
	return r;
}

/* ---- export ---- */

static void write_number(struct json_out *o, struct str key, int64_t v)
{
	if (v == AUDIT_NONE)
		json_key_null(o, key);
	else
		json_key_i64(o, key, v);
}

static void write_row(struct arena *arena, struct buf *out, struct str user_id,
		      const struct audit_entry *e)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("user_id"), user_id);
	json_key_i64(&o, STR("n"), e->n);
	json_key_str(&o, STR("event_id"), e->event_id);
	json_key_str(&o, STR("topic"), e->topic);
	json_key_str(&o, STR("type"), e->type);
	write_number(&o, STR("task_id"), e->task_id);
	write_number(&o, STR("sequence"), e->sequence);
	json_key_time(&o, STR("at"), e->at_us);
	json_key_time(&o, STR("stored_at"), e->stored_at_us);
	json_key_i64(&o, STR("key_version"), e->key_version);
	add_hex(arena, &o, STR("identity"), e->identity);
	add_hex(arena, &o, STR("payload"), e->payload);
	add_hex(arena, &o, STR("h"), e->h);
	json_key(&o, STR("data"));
	if (e->data.p != NULL)
		json_raw(&o, e->data);
	else
		json_null(&o);
	json_end_object(&o);
	buf_append_char(out, '\n');
}

static FIBER int export_rows(struct command_session *s, const struct arguments *a,
			     struct audit *audit, struct buf *out)
{
	char after[AUDIT_TEXT_MAX + 1] = "";
	struct audit_page page = { .has_more = true };
	struct err err = { 0 };
	int r = EX_OK;

	while (r == EX_OK && page.has_more) {
		const struct audit_query q = { a->user, AUDIT_NONE,
					       *after ? str_from(after) : (struct str){ NULL, 0 },
					       AUDIT_PAGE_MAX };

		r = audit_read_wait(audit, s->arena, &q, &page, &err);
		if (r < 0)
			return command_failed(a, r, &err);
		for (size_t i = 0; r == EX_OK && i < page.n; i++) {
			write_row(s->arena, out, a->user, &page.entries[i]);
			r = command_print(out);
		}
		if (page.n > 0 &&
		    str_copy(after, sizeof(after), page.entries[page.n - 1].event_id) < 0)
			return EX_SOFTWARE;
		arena_reset(s->arena);
	}
	return r;
}

/* ---- erase ---- */

static FIBER int erase(struct command_session *s, const struct arguments *a, struct audit *audit,
		       struct buf *out)
{
	int64_t n_keys = 0, n_letters = 0;
	struct err err = { 0 };
	struct json_out o;
	int r = audit_erase_wait(audit, s->eraser, s->arena, a->user, &n_keys, &err);

	if (r == 0)
		r = dead_letter_drop_user_wait(s->db, a->user, &n_letters, &err);
	if (r < 0)
		return command_failed(a, r, &err);
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("user"), a->user);
	json_key_i64(&o, STR("keys_destroyed"), n_keys);
	json_key_i64(&o, STR("dead_letters_dropped"), n_letters);
	json_end_object(&o);
	buf_append_char(out, '\n');
	return command_print(out);
}

static FIBER int with_audit(struct command_session *s, const struct arguments *a,
			    const struct audit_keys *keys, struct buf *out)
{
	struct audit *audit;
	int r;

	if (!keys->has_kek) {
		fprintf(stderr,
			"todod: audit %.*s: audit.kek_file must be set: the key that wraps the "
			"keys of users, as the secret audit/kek has it\n",
			STR_ARGS(a->action));
		return EX_CONFIG;
	}
	audit = audit_new(s->db, &keys->kek);
	if (audit == NULL)
		return EX_OSERR;
	r = str_eq(a->action, STR("export")) ? export_rows(s, a, audit, out)
					     : erase(s, a, audit, out);
	audit_free(audit);
	return r;
}

FIBER int command_audit(struct command_session *s, const struct arguments *a)
{
	struct audit_keys keys = { .has_kek = false };
	struct err err = { 0 };
	struct buf out;
	int r = audit_keys_read_files(&keys, config_str(s->config, "audit.kek_file"),
				      config_str(s->config, "audit.checkpoint_key_file"), &err);

	buf_init(&out, LINE_MAX_BYTES);
	if (r < 0) {
		command_failed(a, r, &err);
		r = EX_CONFIG;
	} else if (str_eq(a->action, STR("verify"))) {
		r = verify(s, a, &keys, &out);
	} else {
		r = with_audit(s, a, &keys, &out);
	}
	buf_done(&out);
	audit_keys_done(&keys);
	aead_done();
	return r;
}
