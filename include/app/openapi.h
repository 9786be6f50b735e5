/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents derived from the route tables: OpenAPI 3.1 for clients, a description of the role for
 * tools.
 */
#ifndef APP_OPENAPI_H
#define APP_OPENAPI_H

#include "app/role.h"
#include "base/buf.h"

/* The routes of the public listener of a role as one OpenAPI 3.1 document. */
void openapi_write(const struct role *role, struct buf *out);
/* `--describe`: name, needs, ports, routes, configuration keys as JSON. */
void role_describe(const struct role *role, struct buf *out);
/* The same of each role (NULL-terminated), as one. */
void roles_describe(const char *name, const struct role *const *roles, struct buf *out);

#endif
