/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency-Key: a write repeated with the same key and body is answered as the first time, and
 * done once.
 */
#include "chat_api_private.h"

#include <errno.h>

int write_key_read(struct request *rq, struct idempotency_key **ret)
{
	struct str text = request_header(rq, "Idempotency-Key");
	const struct http_head *head = &rq->http->head;

	if (text.p == NULL) {
		*ret = NULL;
		return 0;
	}
	bool is_fit = text.n >= 1 && text.n <= IDEMPOTENCY_KEY_MAX &&
		      http_head_count(head, STR("Idempotency-Key")) == 1;
	for (size_t i = 0; is_fit && i < text.n; i++)
		is_fit = text.p[i] >= 0x20 && text.p[i] < 0x7f;
	if (!is_fit || head->path.n > IDEMPOTENCY_PATH_MAX)
		return err_set(
			&rq->err, &ERR_BAD_REQUEST, "header.Idempotency-Key",
			"Idempotency-Key must be sent once, with 1 to %d visible ASCII characters",
			IDEMPOTENCY_KEY_MAX);
	struct idempotency_key *key = arena_calloc(rq->arena, 1, sizeof(*key));
	if (key == NULL || hash_sha256(request_body(rq), key->body_sha256) < 0)
		return err_unavailable(&rq->err, 1, "out of memory");
	key->user_id = rq->user;
	key->method = str_from(http_method_name(head->method));
	key->path = head->path;
	key->key = text;
	*ret = key;
	return 0;
}

void write_key_replay(struct request *rq, const struct idempotency_answer *answer)
{
	struct buf *body;

	if (!answer->same_body) {
		err_set(&rq->err, &ERR_INVALID, "header.Idempotency-Key",
			"this key was already used with another body");
		reply_problem(rq);
		return;
	}
	if (answer->etag.p != NULL)
		request_add_header(rq, "ETag", answer->etag);
	if (answer->location.p != NULL)
		request_add_header(rq, "Location", answer->location);
	request_add_header(rq, "Idempotency-Replayed", STR("true"));
	if (answer->body.n == 0) {
		reply_empty(rq, answer->status);
		return;
	}
	body = request_buf(rq, TASK_JSON_MAX);
	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	buf_append_str(body, answer->body);
	reply_json(rq, answer->status, body);
}

FIBER int write_key_resolve_wait(struct request *rq, const struct idempotency_key *key)
{
	struct idempotency_answer answer;
	bool found;

	int r = idempotency_lookup_wait(app_db(rq->app), rq->arena, key, &found, &answer, &rq->err);
	if (r < 0 || !found)
		return r;
	write_key_replay(rq, &answer);
	return 1;
}

FIBER void run_write(struct request *rq, write_round_fn *round, const char *busy)
{
	struct idempotency_key *key;

	int r = write_key_read(rq, &key);
	for (int tries = 0; r == 0 && tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		r = round(rq, key);
		if (r == 0)
			return;
		r = r == 1 ? 0 : r;
	}
	if (r == 0)
		err_unavailable(&rq->err, 1, "%s", busy);
	reply_problem(rq);
}
