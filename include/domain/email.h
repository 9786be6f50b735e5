/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of mail. Pure.
 */
#ifndef DOMAIN_EMAIL_H
#define DOMAIN_EMAIL_H

#include "base/str.h"

#include <stdbool.h>

enum { EMAIL_MAX = 254 }; /* bytes: RFC 5321 4.5.3.1.3, without the angle brackets */

/*
 * name@example.org: atoms (RFC 5321 4.1.2, no quoted ones) and a domain of at least two labels. It
 * goes into headers and SMTP commands as it is: it has neither white space nor controls, quotes or
 * brackets.
 */
bool email_is_valid(struct str s);
/* What stands behind the @ of a valid one. */
struct str email_domain(struct str s);

#endif
