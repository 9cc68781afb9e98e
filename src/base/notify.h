/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

/* Tells the service manager about a daemon's state, as sd_notify(3) does. */

/*
 * Sends "READY=1", "STOPPING=1", ... to $NOTIFY_SOCKET. Does nothing where there is none; a failure
 * changes nothing for the daemon and is ignored.
 */
void notify_manager(const char *state);

#endif
