/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of the configuration share: config.c knows sources, places and mistakes,
 * config_value.c knows how one value is written. Also the doors that fuzzing and tests use.
 */
#ifndef BASE_CONFIG_PRIVATE_H
#define BASE_CONFIG_PRIVATE_H

#include "base/config.h"

/* CONFIG_STRING: nothing to keep in *ret_number, and the length is held against min and max.
 * CONFIG_BOOL: 0 or 1. CONFIG_CHOICE: the index.
 * 0; or -EINVAL, with *ret_wrong a phrase that follows the value: "is not a whole number". */
int config_value_parse(const struct config_key *key, struct str text, int64_t *ret_number,
		       const char **ret_wrong) MUST_CHECK;
/* "a whole number from 1 to 64" */
void config_value_allowed(const struct config_key *key, struct buf *out);

/* config_read_file on bytes already in memory; path is only told. */
int config_read_text(struct config *c, const char *path, struct str text);

#endif
