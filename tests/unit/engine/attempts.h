/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_ENGINE_ATTEMPTS_H
#define TESTS_UNIT_ENGINE_ATTEMPTS_H

/*
 * What a function would try that wants out, one attempt at a time. Needs nothing but the C library, so that
 * what it does is what it says.
 */

/* A negative errno, or how far it got; -ENOTSUP: no attempt is called that. */
long attempt(const char *name, const char *argument);

#endif
