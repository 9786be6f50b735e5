/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails to one server by SMTP (RFC 5321), by libcurl on the loop: TLS from the start (smtps),
 * STARTTLS, or neither where that is asked for. A sending is started and then waited for, in
 * portions if need be, by one fiber at a time; whoever waits may hand it to another fiber.
 */
#ifndef NET_SMTP_H
#define NET_SMTP_H

#include "base/err.h"
#include "base/str.h"
#include "loop/fiber.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct smtp;
struct smtp_sending;

struct smtp_config {
	struct loop *loop;
	const char *url;     /* "smtp://host:587", "smtps://host"; smtp_url_check */
	bool is_plain;	     /* smtp: without STARTTLS, which is refused otherwise */
	const char *ca_file; /* PEM; "": the system's */
	const char *user;    /* "": no login */
	const char *password;
	const char *helo;			     /* what this side calls itself: a domain */
	int64_t connect_timeout_ms, step_timeout_ms; /* of one answer of the server's */
	int64_t timeout_ms;			     /* of a sending */
	unsigned max_sendings;			     /* at a time, each on a connection */
};

/* Scheme smtp or smtps, a host, perhaps a port, nothing else. 0, *ret_is_loopback telling whether
 * the host is this machine; -EINVAL. */
int smtp_url_check(struct str url, bool *ret_is_loopback) MUST_CHECK;

/* What config points at must outlive it. NULL when out of memory. */
struct smtp *smtp_new(const struct smtp_config *config);
/* Accepts NULL. Sendings under way end with -ECANCELED, on their fibers. */
void smtp_free(struct smtp *s);

/*
 * from and to without brackets; data is the whole mail, lines ended by CRLF, and lives until the
 * sending is freed. 0; -EAGAIN: as many as may be are under way; -EINVAL: an address with a white
 * space, control or bracket; -ENOMEM.
 */
int smtp_send_start(struct smtp *s, struct str from, struct str to, struct str data,
		    struct smtp_sending **ret, struct err *reterr) MUST_CHECK;
/*
 * Waits at most so long. 0: the server has taken it; -EINPROGRESS: wait again; -EINVAL: the server
 * has refused this mail for good (5xx to sender, recipient or data); -EAGAIN: this may pass: no
 * connection, no answer in time, 4xx, no login, an answer that is none; -ECANCELED, -ENOMEM. Each
 * but the second is final.
 */
FIBER int smtp_send_wait(struct smtp_sending *m, int64_t wait_ms, struct err *reterr) MUST_CHECK;
/* Gives up what is under way. Accepts NULL. */
void smtp_send_free(struct smtp_sending *m);

#endif
