/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of roles, made from roles.def, which is the only list there is.
 */
#include "roles/roles.h"

const struct role *const ROLES[] = {
#define ROLE(identifier) &ROLE_##identifier,
#include "roles/roles.def"
#undef ROLE
	NULL,
};

const struct role *role_find(struct str name)
{
	for (size_t i = 0; ROLES[i] != NULL; i++) {
		if (str_eq(name, str_from(ROLES[i]->name)))
			return ROLES[i];
	}
	return NULL;
}
