/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLI_YAML_H
#define CLI_YAML_H

/* JSON values as YAML 1.2, in block style: for people, and for what reads YAML only. */

#include <jansson.h>
#include <stdio.h>

void yaml_print(const json_t *value, FILE *out);

#endif
