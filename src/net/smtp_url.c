/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL of a mail server: scheme, host and port, so that nothing in it surprises libcurl.
 */
#include "net/smtp.h"

#include <arpa/inet.h>
#include <errno.h>

enum { HOST_MAX = 253 };

static bool is_host(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '-')
			return false;
	}
	return s.n > 0 && s.n <= HOST_MAX;
}

/* host, host:port, [::1]:port */
static bool is_authority(struct str s, struct str *ret_host)
{
	int64_t port = 1;
	bool is_v6 = s.n > 0 && s.p[0] == '[';
	ssize_t end = is_v6 ? str_find_char(s, ']', 0) + 1 : str_find_char(s, ':', 0);

	if (is_v6 && end <= 0)
		return false;
	*ret_host = (struct str){ s.p, end >= 0 ? (size_t)end : s.n };
	struct str rest = { s.p + ret_host->n, s.n - ret_host->n };
	if (rest.n > 0 &&
	    (rest.p[0] != ':' || str_parse_i64((struct str){ rest.p + 1, rest.n - 1 }, &port) < 0))
		return false;
	if (is_v6 &&
	    (ret_host->n < 4 || strspn(s.p + 1, "0123456789abcdefABCDEF:.") != ret_host->n - 2))
		return false;
	return port > 0 && port < 65536 && (is_v6 || is_host(*ret_host));
}

static bool is_loopback(struct str host)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr address;

	if (str_eq(host, STR("[::1]")) || str_eq_nocase(host, STR("localhost")))
		return true;
	/* Four numbers: a name may begin as they do. */
	return str_copy(text, sizeof(text), host) >= 0 && inet_pton(AF_INET, text, &address) == 1 &&
	       ntohl(address.s_addr) >> 24 == 127;
}

int smtp_url_check(struct str url, bool *ret_is_loopback)
{
	static const struct str schemes[] = { STR_INIT("smtp://"), STR_INIT("smtps://") };
	struct str host;

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		struct str rest = { url.p + schemes[i].n, url.n - schemes[i].n };

		if (!str_starts(url, schemes[i]))
			continue;
		if (!is_authority(rest, &host))
			return -EINVAL;
		*ret_is_loopback = is_loopback(host);
		return 0;
	}
	return -EINVAL;
}
