/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_BPF_LAB_H
#define TESTS_BPF_LAB_H

/*
 * What tests of the kernel side share: leave to run, a network namespace of their own, and frames
 * sent into it. A namespace ends with the process, and with it everything in it.
 */

#include "tests/bpf/packet.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Returns if this process may load BPF programs and make network namespaces. Otherwise it ends it: 77
 * (skipped) with the reason, or 1 if NETLAMBDA_REQUIRE_BPF=1.
 */
void lab_require(void);

/*
 * Moves the process into a new network namespace with a pair of interfaces, "veth0" and "veth1": what
 * is sent on one is received on the other. Nothing else is sent there: IPv6 is off. Aborts if it
 * cannot.
 */
void lab_enter(void);

/*
 * Moves the process into a mount namespace of its own that has a BPF file system at /sys/fs/bpf, which
 * ends with it. Aborts if it cannot.
 */
void lab_mount_bpf(void);

/*
 * This thread, and those that it begins, stay on the CPU that it is on: each CPU has its own entry of a
 * flow, so that packets that are to be in one must come in on one. And the contrary.
 */
void lab_stay_here(void);
void lab_go_anywhere(void);

/* Runs ip(8), say; aborts unless it succeeds. */
void lab_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes a pair of interfaces, both up: `name` receives what is sent on `peer`. Aborts if it cannot. */
void lab_add_pair(const char *name, const char *peer);

/* A packet socket that sends on an interface. Aborts if it cannot. */
int lab_open(const char *interface);
/* Sends a whole frame `count` times. Aborts if it cannot. */
void lab_send(int fd, const struct frame *frame, unsigned int count);
/*
 * Waits until what this process sent has come out of the interfaces' peers: another CPU may have to see to that, and be
 * kept from it. lab_run() does so first, since who removes an interface removes what is in its queue.
 */
void lab_wait_received(void);
/*
 * Frames that this process sent on an interface, as far as it knows, and that did not come out of its peer, whose queue was
 * full: a CPU that has to empty it may be kept from that for some milliseconds, while another one sends.
 */
uint32_t lab_dropped(const char *interface);

/* Packets of one and the same flow, sent on an interface. */
void lab_send_packets(const char *interface, unsigned int count);

/* Finished frames, with `payload` bytes behind the transport header. */
void lab_tcp4(struct frame *f, const char *src, const char *dst, const uint16_t ports[2],
	uint8_t flags, size_t payload);
void lab_tcp6(struct frame *f, const char *src, const char *dst, const uint16_t ports[2],
	uint8_t flags, size_t payload);
void lab_udp4(
	struct frame *f, const char *src, const char *dst, const uint16_t ports[2], size_t payload);
void lab_udp6(
	struct frame *f, const char *src, const char *dst, const uint16_t ports[2], size_t payload);

/* The XDP program on an interface: its id, or 0. */
uint32_t lab_xdp_id(const char *interface);

#endif
