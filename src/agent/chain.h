/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_CHAIN_H
#define AGENT_CHAIN_H

/*
 * A place in the dispatcher of libxdp, which runs several XDP programs on one interface, each in the place
 * of one of the dispatcher's functions (BPF_PROG_TYPE_EXT). Attaching and detaching there makes a new
 * dispatcher, which takes CAP_SYS_ADMIN and a BPF file system. So all is attached at start; and a
 * child process, the keeper, keeps what it takes to detach, for an agent that has given it up. The
 * keeper does nothing but wait for the agent's end, in whatever way that comes.
 *
 * One thread, and chain_keep() before there is another.
 */

#include "agent/attach.h"
#include "base/attr.h"

#include <stdbool.h>

#define CHAIN_PRIORITY 10 /* programs without one of their own have 50; the lowest comes first */

struct bpf_object;
struct chain;

/*
 * Returns 0 or a negative errno with a message for the operator in `ret_error` (to be freed):
 * -EOPNOTSUPP: the kernel has no such programs; -EPERM: CAP_SYS_ADMIN is missing.
 */
int chain_new(unsigned int priority, struct chain **ret_chain, char **ret_error) _must_check_;
/* Detaches, if that is still to be done. */
void chain_free(struct chain *chain);
DEFINE_CLEANUP(struct chain, chain_free)

/*
 * Loads the object, which was opened only and must outlive the chain, and attaches its one program.
 * Returns 0 and the mode in force, or a negative errno with a message likewise.
 */
int chain_attach(struct chain *chain, const struct interface *interface, struct bpf_object *object,
	enum attach_mode *mode, char **ret_error) _must_check_;

/* Makes the keeper, with this process's privileges. Returns 0 or a negative errno. */
int chain_keep(struct chain *chain) _must_check_;

/* No program is given packets any more when it returns. Does it once. */
void chain_detach(struct chain *chain);

#endif
