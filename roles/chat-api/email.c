/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links that mails carry: whoever can read the mail may confirm the address, or have it forgotten,
 * without a login. A link changes the preferences of the user that it names as if he had, and does
 * nothing once the address is another one. HEAD, which mail scanners like, only looks.
 */
#include "chat_api_private.h"
#include "app/email_link.h"
#include "base/json.h"
#include "base/time.h"
#include "dapr/sidecar.h"
#include "store/preferences.h"

#include <errno.h>

const struct err_kind ERR_LINK_GONE = { "link_gone", 410, EACCES, "The link is no longer good" };

static int gone(struct request *rq)
{
	return err_set(&rq->err, &ERR_LINK_GONE, NULL,
		       "this link is not, or no longer, good; a new address, or the same one after "
		       "7 days, gets a new one");
}

/* The key is read when the first link is followed, so that the service needs no secret store to
 * start. */
static FIBER int read_key(struct request *rq)
{
	struct chat_api *api = app_role_state(rq->app);
	const struct jwt_key *signer;
	struct jwt_keys *keys;
	struct err why = { .text = "no sidecar is configured" };

	if (api->link_keys != NULL)
		return 0;
	keys = app_sidecar(rq->app) != NULL
		       ? email_link_key_wait(app_sidecar(rq->app), &signer, &why)
		       : NULL;
	if (keys == NULL)
		return err_unavailable(&rq->err, 30, "links cannot be checked now: %s", why.text);
	if (api->link_keys == NULL)
		api->link_keys = keys;
	else
		jwt_keys_free(keys); /* another request read it meanwhile */
	return 0;
}

static FIBER int read_link(struct request *rq, enum email_link_purpose purpose,
			   struct email_link *ret)
{
	const struct chat_api *api = app_role_state(rq->app);
	struct str token;
	int r = request_query(rq, "t", &token);

	if (r == 0)
		r = read_key(rq);
	if (r < 0)
		return r;
	r = email_link_verify(rq->arena, api->link_keys, token, time_now_us() / TIME_US_PER_S, ret);
	if (r == -ENOMEM)
		return out_of_memory(rq);
	if (r < 0 || ret->purpose != purpose)
		return gone(rq);
	rq->user = ret->user_id;
	return 0;
}

static int draft_link_answer(struct request *rq, struct draft *d, bool is_confirmed)
{
	struct json_out o;

	d->body = request_buf(rq, TASK_JSON_MAX);
	if (d->body == NULL)
		return -ENOMEM;
	json_out_init(&o, d->body);
	json_begin_object(&o);
	json_key_bool(&o, STR("email_confirmed"), is_confirmed);
	json_key_str(&o, STR("message"),
		     is_confirmed
			     ? STR("The address is confirmed: reminders come to it from now on.")
			     : STR("The address is forgotten: no more mail goes to it."));
	json_end_object(&o);
	draft_answer(d, 200, NULL);
	return buf_status(d->body) < 0 ? out_of_memory(rq) : 0;
}

/* Whether the address is still the one that the link is for. 0; 1; -ENOMEM. */
static int is_address_of(struct request *rq, const struct email_link *link, struct str email)
{
	char hash[EMAIL_LINK_HASH_SIZE];

	if (email.p == NULL)
		return 0;
	if (email_link_hash(email, hash) < 0)
		return out_of_memory(rq);
	return str_eq(str_from(hash), str_from(link->address_hash));
}

/* What the preferences are after the link: 1: they change to *after; 0: they are so already; < 0.
 */
static int follow(struct request *rq, const struct email_link *link,
		  const struct preferences *before, struct preferences *after)
{
	int is_it = is_address_of(rq, link, before->email);

	*after = *before;
	if (is_it < 0)
		return is_it;
	if (link->purpose == EMAIL_LINK_UNSUBSCRIBE) {
		if (is_it)
			after->email = (struct str){ NULL, 0 };
		after->email_confirmed = after->email_confirmed && !is_it;
		return is_it;
	}
	if (!is_it)
		return gone(rq);
	after->email_confirmed = true;
	return !before->email_confirmed;
}

/* 0: answered; 1: others were faster; < 0: rq->err. */
static FIBER int follow_once(struct request *rq, const struct email_link *link)
{
	struct draft *d = arena_calloc(rq->arena, 1, sizeof(*d));
	struct idempotency_answer no_answer;
	struct preferences before, after;
	bool answered;
	int r = d != NULL ? preferences_store_read_wait(request_db(rq), rq->arena, rq->user, NULL,
							&before, &answered, &no_answer, &rq->err)
			  : out_of_memory(rq);

	if (r < 0)
		return r;
	int changes = follow(rq, link, &before, &after);
	if (changes < 0)
		return changes;
	r = draft_link_answer(rq, d, link->purpose == EMAIL_LINK_CONFIRM);
	if (r == 0 && changes && rq->http->head.method != HTTP_HEAD) {
		after.version = before.version + 1;
		after.updated_at_us = time_now_us();
		d->change.user_id = rq->user;
		r = draft_preferences_event(rq, d, &after);
		if (r == 0)
			r = preferences_store_write_wait(request_db(rq), rq->arena, &d->change,
							 &after, &rq->err);
	}
	return settle_draft(rq, d, r);
}

static FIBER void run(struct request *rq, enum email_link_purpose purpose)
{
	struct email_link link;
	int r = read_link(rq, purpose, &link);

	for (int tries = 0; r == 0 && tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		r = follow_once(rq, &link);
		if (r == 0)
			return;
		r = r == 1 ? 0 : r;
	}
	if (r == 0)
		err_unavailable(&rq->err, 1, "the preferences are being changed by others");
	reply_problem(rq);
}

FIBER void email_confirm(struct request *rq)
{
	run(rq, EMAIL_LINK_CONFIRM);
}

FIBER void email_unsubscribe(struct request *rq)
{
	run(rq, EMAIL_LINK_UNSUBSCRIBE);
}
