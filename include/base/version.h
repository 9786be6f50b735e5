/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of this source tree (semver.org).
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define TODOD_VERSION "0.1.0"

#endif
