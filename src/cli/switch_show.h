/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_SWITCH_SHOW_H
#define CLI_SWITCH_SHOW_H

/* All that the server knows of one switch, in words and by lane. */

#include "cli/cli.h"

/* `item`: as /v1/switches has it. */
void switch_print(const struct cli *cli, const json_t *item);

#endif
