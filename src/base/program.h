/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

/* Where a program of the same build or installation is. */

#include <limits.h>

/*
 * Writes the path of `other` ("src/archive/netlambda-unpack") in the build directory that this
 * program lies in; of `installed` if it lies elsewhere.
 */
void program_find(const char *other, const char *installed, char path[static PATH_MAX]);

#endif
