/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditional requests (RFC 9110 section 13): entity tags against If-Match and If-None-Match.
 */
#include "chat_api_private.h"

#include <errno.h>

struct str version_etag(struct arena *arena, int64_t version)
{
	return arena_printf(arena, "\"%lld\"", (long long)version);
}

static struct str without_weak_prefix(struct str tag)
{
	if (str_starts(tag, STR("W/")))
		return (struct str){ tag.p + 2, tag.n - 2 };
	return tag;
}

static bool is_entity_tag(struct str tag)
{
	struct str opaque = without_weak_prefix(tag);

	if (opaque.n < 2 || opaque.p[0] != '"' || opaque.p[opaque.n - 1] != '"')
		return false;
	return str_find_char(opaque, '"', 1) == (ssize_t)(opaque.n - 1);
}

/* Tags of todod hold no comma, so a list is cut at commas. */
int check_if_match(struct request *rq, struct str etag)
{
	struct str list = request_header(rq, "If-Match"), tag;
	bool is_met = false;

	if (list.p == NULL || str_eq(str_trim(list), STR("*")))
		return 0;
	while (str_split(&list, ',', &tag)) {
		tag = str_trim(tag);
		if (!is_entity_tag(tag))
			return err_set(
				&rq->err, &ERR_BAD_REQUEST, "header.If-Match",
				"If-Match must be an entity tag in quotes, as ETag gave it, or *");
		is_met = is_met || str_eq(tag, etag);
	}
	if (is_met)
		return 0;
	return err_set(&rq->err, &ERR_PRECONDITION_FAILED, "header.If-Match",
		       "it has changed since you saw it: it is now %.*s", STR_ARGS(etag));
}

bool has_if_none_match(const struct request *rq, struct str etag)
{
	struct str list = request_header(rq, "If-None-Match"), tag;
	struct str wanted = without_weak_prefix(etag);

	if (list.p == NULL)
		return false;
	while (str_split(&list, ',', &tag)) {
		tag = str_trim(tag);
		if (str_eq(tag, STR("*")) || str_eq(without_weak_prefix(tag), wanted))
			return true;
	}
	return false;
}
