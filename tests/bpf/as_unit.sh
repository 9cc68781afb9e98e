#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# as_unit.sh AGENT [OPTION...]: runs it about as deploy/systemd/netlambda-agent@.service.in does, where no
# systemd runs, and with PINS=DIRECTORY as with netlambda-agent-pin.conf. To be called in a mount namespace of
# its own.
set -e
if [ -n "$PINS" ]; then
	[ -d "$PINS" ] || mkdir -m 0700 "$PINS"
	chown 61234 "$PINS"
fi
mount --make-rprivate /
mount -t proc -o subset=pid,hidepid=invisible proc /proc
mount --rbind /sys /sys
mount -o remount,bind,ro /sys
if [ -n "$PINS" ]; then
	mount --bind "$PINS" "$PINS"
	mount -o remount,bind,ro /sys/fs/bpf
fi
capabilities=+bpf,+net_admin,+perfmon
exec setpriv --reuid 61234 --regid 61234 --clear-groups --no-new-privs --bounding-set -all,$capabilities \
	--inh-caps -all,$capabilities --ambient-caps -all,$capabilities "$@"
