/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail as it goes over the wire (RFC 5322, MIME): text and HTML of the same, every line ASCII and
 * at most 998 bytes, ended by CRLF. Whatever the texts hold, they reach no header but their own and
 * no line of the dialogue with a server. Pure.
 */
#ifndef DOMAIN_MAIL_H
#define DOMAIN_MAIL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { MAIL_BYTES_MAX = 64 * 1024, MAIL_URL_MAX = 900, MAIL_ID_MAX = 250 };

struct mail {
	struct str from_name;	    /* UTF-8; empty: none */
	struct str from, to;	    /* email_is_valid */
	struct str message_id;	    /* "left@right", without brackets */
	struct str correlation_id;  /* for X-Correlation-ID; empty: none */
	struct str unsubscribe_url; /* for List-Unsubscribe; empty: none */
	int64_t date_us;
	struct str subject;    /* UTF-8 */
	struct str text, html; /* UTF-8, lines end in \n */
};

/* Appends the whole mail. 0; -EINVAL: an address, id or URL that could not stand in a header as it
 * is, and nothing was appended; -ENOMEM, also past the buffer's maximum. */
int mail_write(const struct mail *m, struct buf *out, struct err *reterr) MUST_CHECK;

/* Appends text on one line for people to read: each control, line or paragraph separator and mark
 * that turns the direction of writing is a space. s is valid UTF-8. */
void mail_append_line(struct buf *out, struct str s);
/* Appends what shows as s in HTML, as text and in attributes. */
void mail_append_html(struct buf *out, struct str s);

#endif
