/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of preferences as one query of a larger segment.
 */
#ifndef STORE_PREFERENCES_PRIVATE_H
#define STORE_PREFERENCES_PRIVATE_H

#include "domain/preferences.h"
#include "net/db.h"

extern const struct db_statement PREFERENCES_GET; /* $1: the user */

/* *ret stays as it is without a row; strings are views. */
void preferences_read(const struct db_result *r, struct preferences *ret);

#endif
