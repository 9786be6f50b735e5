/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses are taken: those that need no quoting anywhere.
 */
#include "domain/email.h"

enum {
	LOCAL_PART_MAX = 64, /* RFC 5321 4.5.3.1.1 */
	LABEL_MAX = 63,	     /* RFC 1035 2.3.4 */
};

static bool is_alphanumeric(char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');
}

/* atext of RFC 5321. */
static bool is_atom_char(char c)
{
	return is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* 1 to LOCAL_PART_MAX bytes, atoms with single dots between them. */
static bool is_local_part(struct str s)
{
	struct str rest = s, atom;

	if (s.n > LOCAL_PART_MAX)
		return false;
	while (str_split(&rest, '.', &atom)) {
		if (atom.n == 0)
			return false;
		for (size_t i = 0; i < atom.n; i++)
			if (!is_atom_char(atom.p[i]))
				return false;
	}
	return true;
}

/* Letters, digits, and hyphens that are neither first nor last. */
static bool is_label(struct str s)
{
	if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alphanumeric(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

static bool is_domain(struct str s)
{
	struct str rest = s, label;

	while (str_split(&rest, '.', &label))
		if (!is_label(label))
			return false;
	return str_find_char(s, '.', 0) > 0;
}

bool email_is_valid(struct str s)
{
	struct str local, domain = s;

	return s.n <= EMAIL_MAX && str_find_char(s, '@', 0) > 0 &&
	       str_split(&domain, '@', &local) && is_local_part(local) && is_domain(domain);
}

struct str email_domain(struct str s)
{
	struct str local, domain = s;

	str_split(&domain, '@', &local);
	return domain;
}
