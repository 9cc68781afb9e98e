/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

/*
 * Failures, one at a time: an allocation or system call of the code under test fails, as it may on a
 * machine that is out of memory, descriptors or disk. Calls of ours are caught by the linker (meson:
 * faults_link_args), OpenSSL's allocations by its own hook. A test runs what it tests again and again,
 * until there are no calls left that have not failed:
 *
 *     faults_begin();
 *     while (faults_more()) {
 *             faults_arm();
 *             r = ...;
 *             faults_disarm();
 *             ... r, or what may be seen from outside ...
 *     }
 *
 * First each call of ours fails, then each of all. OpenSSL makes thousands of calls, so of those only
 * every seventh fails, unless the environment's NETLAMBDA_ALL_FAULTS is set.
 */

#include <stdbool.h>

/* First of all in main(), before OpenSSL allocates anything. */
void faults_init(void);

void faults_begin(void);
/* Goes on to the next call that is to fail. False: all have. */
bool faults_more(void);
/* That call, counted from now on, fails; once. */
void faults_arm(void);
/* For what a test puts in the way of a library itself: true if this call, one of ours or not, is to fail. */
bool faults_call(const char *name, bool ours);
/* Nothing fails any more. The name of the call that did, or NULL. */
const char *faults_disarm(void);

#endif
