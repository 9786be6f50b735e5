/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching paths against patterns. A {name} takes one whole segment, decoded; everything else is
 * compared as it stands, so an encoded or dotted variant of a fixed part matches nothing.
 */
#include "app_private.h"

void route_path_split(struct str path, struct route_path *ret)
{
	struct str rest = path, part;

	ret->n = 0;
	str_split(&rest, '/', &part); /* what stands before the leading slash: nothing */
	while (str_split(&rest, '/', &part)) {
		if (ret->n == ROUTER_MAX_SEGMENTS) {
			ret->n++;
			return;
		}
		ret->segments[ret->n++] = part;
	}
}

static bool is_name(struct str pattern_part)
{
	return pattern_part.n >= 2 && pattern_part.p[0] == '{';
}

static bool decode(struct str segment, struct arena *arena, struct str *ret)
{
	char *out = arena_alloc(arena, segment.n + 1);

	if (out == NULL)
		return false;
	ssize_t n = http_percent_decode(segment, false, out);
	if (n <= 0)
		return false;
	*ret = (struct str){ out, (size_t)n };
	return true;
}

/* The values of the names go to params from n_params on. */
static bool pattern_matches(const char *pattern, const struct route_path *path, struct arena *arena,
			    struct str params[REQUEST_MAX_PARAMS], size_t n_params)
{
	struct str rest = str_from(pattern), part;
	size_t i = 0;

	str_split(&rest, '/', &part);
	for (; str_split(&rest, '/', &part); i++) {
		if (i >= path->n || (!is_name(part) && !str_eq(part, path->segments[i])))
			return false;
	}
	if (i != path->n)
		return false;

	/* It fits: now, and only for this one pattern, decode the values. */
	rest = str_from(pattern);
	str_split(&rest, '/', &part);
	for (i = 0; str_split(&rest, '/', &part); i++) {
		if (is_name(part) && !decode(path->segments[i], arena, &params[n_params++]))
			return false;
	}
	return true;
}

/* The pattern's names begin with the user, whom an alias may leave out. */
static bool alias_matches(const char *alias, const struct route_path *path, struct arena *arena,
			  struct str params[REQUEST_MAX_PARAMS])
{
	bool has_user = strstr(alias, "{user_id}") != NULL;

	if (!pattern_matches(alias, path, arena, params, has_user ? 0 : 1))
		return false;
	if (!has_user)
		params[0] = (struct str){ NULL, 0 };
	return true;
}

bool route_matches(const struct route *route, const struct route_path *path, struct arena *arena,
		   struct str params[REQUEST_MAX_PARAMS])
{
	if (pattern_matches(route->pattern, path, arena, params, 0))
		return true;
	for (size_t i = 0; route->aliases != NULL && route->aliases[i] != NULL; i++) {
		if (alias_matches(route->aliases[i], path, arena, params))
			return true;
	}
	return false;
}

int route_param_index(const struct route *route, const char *name)
{
	struct str rest = str_from(route->pattern), part;
	int index = 0;

	while (str_split(&rest, '/', &part)) {
		if (!is_name(part))
			continue;
		if (str_eq((struct str){ part.p + 1, part.n - 2 }, str_from(name)))
			return index;
		index++;
	}
	return -1;
}
