// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Compiled for the BPF target only for its BTF, from which src/event/schema.c reads the built-in
 * events' fields. Clang emits BTF of types that something refers to, hence the variables.
 */
#include "netlambda/event.h"

struct port_event port_event;
struct flow_event flow_event;
struct source_event source_event;
struct target_event target_event;
struct interface_event interface_event;
struct timer_event timer_event;
struct http_event http_event;
