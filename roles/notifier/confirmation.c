/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one mail that an address gets before its owner said yes. Whoever makes users, addresses and
 * changes up cannot make it more: a user's address gets one while its link is good, a user's
 * addresses get so many a day, and an address gets three in that time from all users together.
 */
#include "contact_private.h"
#include "mailing_private.h"

#include "base/json_out.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>

enum { LINK_DAYS = 7, OF_ADDRESS_MAX = 3, WHOSE_MAX = 4 * 1024 };

/* Nobody can be called so: it is a part of the API's paths. */
#define NO_USER STR("email")

struct confirmation {
	struct mailing base;
	struct contact contact;
	char address_hash[EMAIL_LINK_HASH_SIZE];
	struct str key;	  /* there while the address has had its mail */
	struct str lease; /* while it is being sent */
};

static struct str key_of(struct arena *arena, struct str user_id, const char *what,
			 const char *hash)
{
	struct str name = arena_printf(arena, "%s/%s", what, hash);

	return name.p != NULL ? sidecar_user_key(arena, user_id, name) : name;
}

/* .p NULL: no memory. */
static struct str json_text(struct arena *arena, struct str s)
{
	struct buf *out = arena_buf(arena, WHOSE_MAX);
	struct json_out o;

	if (out == NULL)
		return (struct str){ NULL, 0 };
	json_out_init(&o, out);
	json_str(&o, s);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

/* A key that nobody has made yet, with whose it is. 0: it is ours now; 1: it was before; -EEXIST:
 * it is somebody else's. */
static FIBER int claim(struct confirmation *c, struct str key, struct str whose, int64_t ttl_s,
		       struct err *reterr)
{
	struct sidecar *sidecar = c->base.n->sidecar;
	struct arena *arena = c->base.in.arena;
	struct str value = json_text(arena, whose);
	struct sidecar_state stored;
	int r;

	if (key.p == NULL || value.p == NULL)
		return notifier_no_memory(reterr);
	r = sidecar_state_put_wait(sidecar, key, value, (struct str){ NULL, 0 }, true, ttl_s,
				   reterr);
	if (r != -EEXIST)
		return r;
	r = sidecar_state_get_wait(sidecar, arena, key, &stored, reterr);
	if (r < 0)
		return r;
	return stored.found && str_eq(stored.value, value) ? 1 : -EEXIST;
}

/* Of the mailbox, as far as can be told: servers do not care how its address is spelt. */
static int mailbox_hash(struct arena *arena, struct str address, char ret[EMAIL_LINK_HASH_SIZE])
{
	char *folded = arena_alloc(arena, address.n);

	if (folded == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];
		folded[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return email_link_hash((struct str){ folded, address.n }, ret);
}

/* One of the few that a mailbox gets from all users. As claim; -EDQUOT: it has had them. */
static FIBER int claim_of_address(struct confirmation *c, struct err *reterr)
{
	struct arena *arena = c->base.in.arena;
	struct str owner = sidecar_user_key(arena, c->base.in.event.user_id, STR("confirm"));
	char hash[EMAIL_LINK_HASH_SIZE];
	int r = -EEXIST;

	if (owner.p == NULL || mailbox_hash(arena, c->contact.email, hash) < 0)
		return notifier_no_memory(reterr);
	for (int i = 1; r == -EEXIST && i <= OF_ADDRESS_MAX; i++) {
		struct str what = arena_printf(arena, "asked/%d", i);

		if (what.p == NULL)
			return notifier_no_memory(reterr);
		r = claim(c, key_of(arena, NO_USER, what.p, hash), owner, LINK_DAYS * DAY_S,
			  reterr);
	}
	return r == -EEXIST ? -EDQUOT : r;
}

/* Within the bounds? What is only tried again counts once. If that cannot be said, it may be asked
 * again at once. */
static FIBER int check_bounds(struct confirmation *c, struct err *reterr)
{
	struct notifier *n = c->base.n;
	struct err why = { .text = "" };
	int r = claim_of_address(c, reterr);

	if (r == 0)
		r = mailing_count_wait(n, c->base.in.arena, c->base.in.event.user_id,
				       "confirmations", n->confirmations_per_day, reterr);
	if (r < 0 &&
	    sidecar_state_delete_wait(n->sidecar, c->lease, (struct str){ NULL, 0 }, &why) < 0)
		log_err(LOG_WARN, "confirmation.lease_left", &why);
	return r < 0 ? r : 0;
}

/* Another one for each user, or mailboxes would take the second's for the first's. */
static struct str id_of(struct confirmation *c)
{
	struct arena *arena = c->base.in.arena;
	struct str who = sidecar_user_key(arena, c->base.in.event.user_id, c->contact.email);
	char hash[EMAIL_LINK_HASH_SIZE];

	if (who.p == NULL || email_link_hash(who, hash) < 0)
		return (struct str){ NULL, 0 };
	return arena_printf(arena, "confirm.%s.%lld", hash, (long long)c->contact.version);
}

/*
 * Another event whose mail is on its way answers for it. This one's own lease is that of a delivery
 * that came to no end: it is refused until it becomes a dead letter, whose replay finds what became
 * of it, or sends.
 */
static FIBER int take_lease(struct confirmation *c, struct err *reterr)
{
	const struct incoming *in = &c->base.in;
	int r;

	c->lease = key_of(in->arena, in->event.user_id, "confirming", c->address_hash);
	r = claim(c, c->lease, in->event.id, c->base.n->lease_s, reterr);

	if (r == 1)
		return err_unavailable(reterr, 1, "it is being sent, or was when a process died");
	return r;
}

/* 0: it is to be sent; -EEXIST: it was, or is being sent; -EDQUOT: not now. */
static FIBER int admit(struct confirmation *c, struct err *reterr)
{
	struct notifier *n = c->base.n;
	struct arena *arena = c->base.in.arena;
	struct str user = c->base.in.event.user_id;
	struct sidecar_state stored = { .found = false };
	int r;

	if (email_link_hash(c->contact.email, c->address_hash) < 0)
		return notifier_no_memory(reterr);
	c->key = key_of(arena, user, "confirm", c->address_hash);
	c->base.id = id_of(c);
	if (c->key.p == NULL || c->base.id.p == NULL)
		return notifier_no_memory(reterr);
	r = sidecar_state_get_wait(n->sidecar, arena, c->key, &stored, reterr);
	if (r < 0)
		return r;
	if (stored.found)
		return -EEXIST;
	if (mailing_take_place(&c->base, 1) < 0)
		return err_unavailable(reterr, 1, "as many mails as may be are under way");
	return take_lease(c, reterr);
}

static struct str link_of(struct confirmation *c)
{
	struct arena *arena = c->base.in.arena;
	struct email_link link = {
		.purpose = EMAIL_LINK_CONFIRM,
		.user_id = c->base.in.event.user_id,
		.expires_s = time_now_us() / TIME_US_PER_S + LINK_DAYS * DAY_S,
	};

	memcpy(link.address_hash, c->address_hash, sizeof(link.address_hash));
	struct str token = email_link_sign(arena, c->base.n->link_signer, &link);
	if (token.p == NULL)
		return token;
	return arena_printf(arena, "%.*s/api/email/confirm?t=%.*s", STR_ARGS(c->base.n->public_url),
			    STR_ARGS(token));
}

/* Sent: remembered for as long as the link is good. Not sent: the event becomes a dead letter, and
 * comes again from there in a minute and later. */
static FIBER int end(struct mailing *m, int result, const struct err *why, int64_t until_ms,
		     struct err *reterr)
{
	struct confirmation *c = (struct confirmation *)m;
	int64_t pause_ms = 0;
	int r;

	if (result < 0)
		return err_set(reterr, &ERR_INVALID, NULL, "no confirmation mail: %s", why->text);
	do
		r = sidecar_state_put_wait(m->n->sidecar, c->key, STR("true"),
					   (struct str){ NULL, 0 }, false, LINK_DAYS * DAY_S,
					   reterr);
	while (delivery_wait_again(r, until_ms, &pause_ms));
	if (r == 0)
		metric_add(m->n->confirmations, 1);
	return r;
}

static FIBER int send(struct confirmation *c, struct err *reterr)
{
	struct str link = link_of(c);
	struct mail_text text;
	struct mail mail;
	int r = link.p != NULL ? mailing_compose(&c->base, c->contact.email, &mail, &text, reterr)
			       : notifier_no_memory(reterr);

	if (r < 0) {
		mailing_free(&c->base);
		return r;
	}
	mail_text_confirmation(&text, link, LINK_DAYS);
	return mailing_send_wait(&c->base, &mail, &text, reterr);
}

FIBER int confirmation_send_wait(struct notifier *n, const struct incoming *in,
				 const struct contact *contact, struct err *reterr)
{
	struct confirmation *c =
		(struct confirmation *)mailing_new(n, in, sizeof(struct confirmation), reterr);
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->base.end = end;
	c->base.kind = "confirmation";
	c->base.must_come_again = true;
	c->contact = *contact;
	r = admit(c, reterr);
	if (r == 0)
		r = check_bounds(c, reterr);
	if (r == 0)
		return send(c, reterr);
	if (r == -EDQUOT)
		log_warn("confirmation.too_many", LOG_STR("user_id", in->event.user_id));
	mailing_free(&c->base);
	return r == -EEXIST || r == -EDQUOT ? 0 : r;
}
