/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the binary beside its roles. Each prints its result on standard output and its
 * errors on standard error, and returns an exit code of sysexits.h.
 */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include "app/arguments.h"
#include "base/config.h"

/* Any command but `parse`: it needs the configuration. */
int command_run(const struct arguments *a, const struct config *c);

#endif
