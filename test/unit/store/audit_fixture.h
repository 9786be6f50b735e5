/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database with the audit tables, reached as the narrow roles; events; and the hash of a row by
 * PostgreSQL itself, which is how docs/audit.md tells people to verify by hand.
 */
#ifndef TEST_AUDIT_FIXTURE_H
#define TEST_AUDIT_FIXTURE_H

#include "test/unit/support/pg_fixture.h"

#include "auth/jws.h"
#include "base/time.h"
#include "store/audit.h"
#include "store/audit_checkpoint.h"
#include "store/audit_verify.h"
#include "store/schema.h"

#include <errno.h>
#include <openssl/pem.h>

struct audit_fixture {
	struct arena *arena;
	struct aead_key kek;
	struct jwt_keys *keys;
	struct jwt_key *key; /* the set's */
	struct db *writer, *checker, *eraser;
	struct audit *audit;
};

static struct audit_fixture fx;

/* A key for checkpoints, made anew. */
static inline struct jwt_key *audit_new_key(void)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_mem());
	struct err err = { 0 };
	struct jwt_key *key;
	char *p;

	ck_assert_ptr_nonnull(pkey);
	ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(bio, &p);
	key = jws_key_from_pem((struct str){ p, (size_t)n }, "the test's key", &err);
	ck_assert_msg(key != NULL, "%s", err.text);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	return key;
}

static const char AUDIT_ORACLE[] =
	"CREATE FUNCTION lp(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT CASE WHEN $1 IS NULL "
	"THEN '\\xffffffff'::bytea ELSE int4send(octet_length($1)) || $1 END $$;"
	"CREATE FUNCTION us(timestamptz) RETURNS bigint LANGUAGE sql AS "
	"$$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;"
	"CREATE FUNCTION row_h(prev bytea, a todod.audit) RETURNS bytea LANGUAGE sql AS $$ "
	"SELECT sha256(prev || int8send(a.n) || lp(convert_to(a.user_id, 'UTF8')) "
	"|| lp(convert_to(a.event_id, 'UTF8')) || lp(convert_to(a.topic, 'UTF8')) "
	"|| lp(convert_to(a.type, 'UTF8')) || lp(int8send(a.task_id)) || lp(int8send(a.sequence)) "
	"|| lp(int8send(us(a.at))) || lp(a.identity) || lp(int8send(a.key_version)) "
	"|| lp(a.payload) || lp(int8send(us(a.stored_at)))) $$;";

/* A role of this test that is a member of `group`, in url. */
static inline void audit_role(const char *suffix, const char *group, char url[1024])
{
	char name[80], sql[256];

	snprintf(name, sizeof(name), "%s%s", pg.role, suffix);
	pg_server_sql("DROP ROLE IF EXISTS", name, "");
	pg_server_sql("CREATE ROLE", name, "LOGIN PASSWORD 'test'");
	snprintf(sql, sizeof(sql), "GRANT %s TO %s", group, name);
	pg_sql(sql);
	pg_url(url, 1024, pg.name, name);
}

static char audit_urls[3][1024]; /* writer, checker, eraser */

static inline void audit_setup(void)
{
	struct err err = { 0 };

	pg_setup();
	ck_assert_msg(schema_migrate(pg.url, NULL, NULL, &err) == 0, "%s", err.text);
	audit_role("_w", "todod_audit_writer", audit_urls[0]);
	audit_role("_c", "todod_audit_checker", audit_urls[1]);
	audit_role("_e", "todod_audit_eraser", audit_urls[2]);
	pg_sql(AUDIT_ORACLE);
	fx.arena = arena_new(1024 * 1024 * 1024);
	ck_assert_ptr_nonnull(fx.arena);
	ck_assert_int_eq(aead_key_new(&fx.kek), 0);
	fx.key = audit_new_key();
	fx.keys = jwt_keys_new_single(fx.key);
	ck_assert_ptr_nonnull(fx.keys);
}

static inline void audit_teardown(void)
{
	static const char *const SUFFIXES[] = { "_w", "_c", "_e" };

	jwt_keys_free(fx.keys);
	arena_free(fx.arena);
	aead_done();
	pg_teardown();
	for (size_t i = 0; i < ARRAY_SIZE(SUFFIXES); i++) {
		char name[80];

		snprintf(name, sizeof(name), "%s%s", pg.role, SUFFIXES[i]);
		pg_server_sql("DROP ROLE", name, "");
	}
}

static FIBER void audit_main(void *arg)
{
	struct db_config configs[3];

	for (size_t i = 0; i < ARRAY_SIZE(configs); i++)
		configs[i] = pg_config(audit_urls[i]);
	configs[0].fast_connections = 4;
	fx.writer = pg_open(&configs[0]);
	fx.checker = pg_open(&configs[1]);
	fx.eraser = pg_open(&configs[2]);
	fx.audit = audit_new(fx.writer, &fx.kek);
	ck_assert_ptr_nonnull(fx.audit);
	(*(fiber_fn **)arg)(NULL);
	audit_free(fx.audit);
	db_free(fx.eraser);
	db_free(fx.checker);
	db_free(fx.writer);
}

static inline void audit_run(fiber_fn *fn)
{
	pg_run(audit_main, &fn);
}

/* An event with an id, and an identity that depends on its data. */
static inline struct audit_event audit_event_of(const char *user, const char *id, int64_t task_id,
						int64_t sequence, const char *data)
{
	struct audit_event e = {
		.user_id = str_from(user),
		.event_id = str_from(id),
		.topic = STR("task-events"),
		.type = STR("task.updated"),
		.task_id = task_id,
		.sequence = sequence,
		.at_us = INT64_C(1790000000123456) + (sequence > 0 ? sequence : 0),
		.data = str_from(data),
	};

	ck_assert_int_eq(hash_sha256(e.data, e.identity), 0);
	return e;
}

static __attribute__((noinline, unused)) FIBER int audit_put(struct audit *a,
							     const struct audit_event *e,
							     struct audit_appended *ret)
{
	struct arena *arena = arena_new(16 * 1024 * 1024);
	struct err err = { 0 };
	int r = audit_append_wait(a, arena, e, ret, &err);

	ck_assert_msg(r != -EIO, "%s", err.text);
	ck_assert(r == 0 || err.kind != NULL);
	arena_free(arena);
	return r;
}

/* n events of a user on one task, after those it has already. */
static __attribute__((noinline, unused)) FIBER void audit_fill(const char *user, int n)
{
	static int made;

	for (int i = 0; i < n; i++) {
		char id[64], data[128];
		struct audit_appended appended;

		snprintf(id, sizeof(id), "event-%d", ++made);
		snprintf(data, sizeof(data), "{\"event_id\":\"%s\",\"payload\":{\"i\":%d}}", id, i);
		const struct audit_event e = audit_event_of(user, id, 1 + i % 3, i / 3 + 1, data);
		ck_assert_int_eq(audit_put(fx.audit, &e, &appended), 0);
		ck_assert(!appended.is_known);
	}
}

static inline struct str audit_test_sign(struct arena *arena, struct str claims, void *arg)
{
	(void)arg;
	return jws_sign(arena, fx.key, claims);
}

static inline int audit_test_signed(struct arena *arena, struct str token, struct str *ret,
				    void *arg)
{
	(void)arg;
	return jws_verify(arena, fx.keys, token, ret, NULL);
}

/* Makes checkpoints until nothing is left; how many. */
static __attribute__((noinline, unused)) FIBER int audit_checkpoints(struct audit_checkpointer *c)
{
	struct audit_checkpoint made;
	struct err err = { 0 };
	int n = 0;

	for (int r = 1; r == 1;) {
		r = audit_checkpoint_wait(c, fx.arena, &made, &err);
		ck_assert_msg(r >= 0, "%s", err.text);
		n += made.n_heads > 0;
	}
	return n;
}

struct audit_findings {
	int n;
	int of[_AUDIT_FAULT_MAX];
	int64_t first_n;
	char first_user[64];
	enum audit_fault first;
};

static inline void audit_note(const struct audit_finding *f, void *arg)
{
	struct audit_findings *all = arg;

	if (all->n++ == 0) {
		all->first = f->fault;
		all->first_n = f->n;
		all->first_user[0] = '\0';
		ck_assert_int_eq(str_copy(all->first_user, sizeof(all->first_user), f->user_id), 0);
	}
	all->of[f->fault]++;
}

static struct audit_findings audit_last; /* of audit_check */

/* How much was found. user NULL: everybody. */
static __attribute__((noinline, unused)) FIBER int audit_check(const char *user, bool with_kek)
{
	struct audit_verification v = {
		.rows = fx.writer,
		.heads = fx.checker,
		.kek = with_kek ? &fx.kek : NULL,
		.is_signed = audit_test_signed,
		.found = audit_note,
		.found_arg = &audit_last,
	};
	struct err err = { 0 };

	memset(&audit_last, 0, sizeof(audit_last));
	int r = audit_verify_wait(&v, str_from(user), &err);

	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_int_eq(v.n_findings, audit_last.n);
	return audit_last.n;
}

#endif
