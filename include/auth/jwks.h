/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key set of a remote issuer: fetched in the background at start, every 10 minutes, and when a
 * token names an unknown key, then at most once per 30 s however many such tokens come. Keys stay
 * in use while the issuer cannot be reached.
 */
#ifndef AUTH_JWKS_H
#define AUTH_JWKS_H

#include "auth/jwt.h"
#include "loop/loop.h"
#include "net/http_client.h"

struct jwks;

/*
 * Starts the first fetch. url is copied; l and http must outlive the jwks. NULL when out of memory.
 * After jwks_free the loop must still run until no fiber is left, because a cancelled fetch ends on
 * its own fiber.
 */
struct jwks *jwks_new(struct loop *l, struct http_client *http, const char *url);
void jwks_free(struct jwks *j);
/* NULL until the first fetch succeeded. Valid until the calling fiber next waits. */
const struct jwt_keys *jwks_keys(const struct jwks *j);
/* Changes whenever the keys do, so that what was concluded from older ones can be forgotten. */
uint64_t jwks_generation(const struct jwks *j);
/* A token named an unknown key. True: a fetch is under way (wait for it); false: one just failed to
 * find it. */
bool jwks_refresh(struct jwks *j);
/* Waits for the fetch under way, if any. 0 when it has ended, well or not; -ETIME, -ECANCELED;
 * -EBUSY: too many wait already. */
FIBER int jwks_wait(struct jwks *j, int64_t timeout_ms);

#endif
