/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What loop.c and fiber.c share: how many fibers a loop has.
 */
#ifndef LOOP_PRIVATE_H
#define LOOP_PRIVATE_H

#include "loop/loop.h"

/* Counted by fiber.c: 1 for a new one, -1 for one that ended. */
void loop_count_fiber(struct loop *l, int change);
unsigned loop_fibers(const struct loop *l);

#endif
