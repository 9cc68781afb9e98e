/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_TUNNELS_H
#define AGENT_TUNNELS_H

/* The tunnels that are looked into, as the command line says them. Pure. */

#include "base/attr.h"

#include <stdint.h>

/*
 * "ipip,gre", "all", "none" ... to bits of enum tunnel_kind (bpf/parse_types.bpf.h). Returns 0, or
 * -EINVAL with a message in `ret_error` (to be freed) that names the word and what was expected.
 */
int tunnels_parse(const char *list, uint32_t *ret_inside, char **ret_error) _must_check_;

#endif
