/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_STORE_FAULTY_DISK_H
#define TESTS_UNIT_STORE_FAULTY_DISK_H

/*
 * A disk and a memory for SQLite of which each call may fail (tests/unit/faults.h): the real ones, with
 * a look in front of each call whether it is the one. A call of the disk counts as one of ours, an
 * allocation as one of the library's.
 */

/* First of all in main(), before SQLite is used. */
void faulty_disk_install(void);

#endif
