/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the mails of todod say, as text and as HTML. Pure.
 */
#ifndef DOMAIN_MAIL_TEXT_H
#define DOMAIN_MAIL_TEXT_H

#include "base/buf.h"
#include "base/tz.h"
#include "domain/reminder_notice.h"

struct mail_text {
	struct buf *subject, *text, *html; /* given by the caller, appended to */
};

/* "Reminder: {title}". Times are in tz, with a note when that is UTC. settings_url is where a user
 * changes what he gets. */
void mail_text_reminder(const struct mail_text *out, const struct reminder_notice *n,
			const struct tz *tz, struct str settings_url);
/* Asks the owner of an address to follow the link; holds nothing that a user chose. */
void mail_text_confirmation(const struct mail_text *out, struct str link, int days);

#endif
