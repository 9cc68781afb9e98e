/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_RANDOM_H
#define NET_RANDOM_H

/* Random numbers for what needs no secret: grease, jitter. */

#include <stdint.h>

/* As the cores of src/wire ask for it; `user` is not looked at. Cannot fail. */
uint64_t random_bits(void *user);

#endif
