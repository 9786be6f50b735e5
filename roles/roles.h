/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of roles, from roles.def.
 */
#ifndef ROLES_ROLES_H
#define ROLES_ROLES_H

#include "app/role.h"
#include "base/str.h"

#define ROLE(identifier) extern const struct role ROLE_##identifier;
#include "roles/roles.def"
#undef ROLE

extern const struct role *const ROLES[]; /* NULL-terminated */

/* NULL when there is none of that name. */
const struct role *role_find(struct str name);

#endif
