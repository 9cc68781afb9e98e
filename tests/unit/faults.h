/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

/*
 * Failures, one at a time: the how manieth allocation or system call of the code under test fails, as
 * it may on a machine that is out of memory, descriptors or disk. Calls of ours are caught by the
 * linker (meson: faults_link_args), OpenSSL's allocations by its own hook. A test runs what it tests
 * again and again until the number is higher than there are calls:
 *
 *     for (unsigned int i = 1; i > 0; i = faults_next(i)) {
 *             faults_arm(i);
 *             r = ...;
 *             faults_disarm();
 *             ... r, or what may be seen from outside ...
 *     }
 */

#include <stdbool.h>

/* First of all in main(), before OpenSSL allocates anything. */
void faults_init(void);

/* Call number `at` from now on fails, once. */
void faults_arm(unsigned int at);
/* Nothing fails any more. The name of the call that did, or NULL. */
const char *faults_disarm(void);
/* The next number, or 0 if the last one was beyond the last call. */
unsigned int faults_next(unsigned int at);
/* How many calls there were since faults_arm(). */
unsigned int faults_count(void);

#endif
