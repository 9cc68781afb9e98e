#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# old_kernel.sh AGENT: on a kernel older than the oldest that is supported, the agent says so in so many
# words, and either counts or ends with an error; it does not crash, and leaves nothing attached.
ip link add old0 type veth peer name old1
ip link set old0 up
"$1" --protocol 1 --id 1 -i old0 --server 127.0.0.1:9 --flush-timeout 0s >/tmp/old.log 2>&1 &
agent=$!
sleep 20
if kill -TERM $agent 2>/dev/null; then
	echo 'it counts all the same'
fi
wait $agent
code=$?
cat /tmp/old.log
if ! grep -q 'this kernel is older than 5.15, the oldest that is supported' /tmp/old.log; then
	echo 'failed: it does not say what is wrong'
	exit 1
fi
if [ $code -eq 1 ] && ! grep -q '^error .*Linux 5.15 is the oldest' /tmp/old.log; then
	echo 'failed: its last word is not the reason'
	exit 1
fi
if [ $code -gt 1 ]; then
	echo "failed: it ended with $code"
	exit 1
fi
# Maps count into the limit of locked memory there; who cannot raise it is told.
# shellcheck disable=SC3045 # dash has it
(ulimit -l 64; setpriv --bounding-set -sys_resource --inh-caps -all "$1" --protocol 1 --id 1 -i old0 \
	--server 127.0.0.1:9 --flush-timeout 0s) >/tmp/memlock.log 2>&1
cat /tmp/memlock.log
if ! grep -q 'LimitMEMLOCK=infinity' /tmp/memlock.log; then
	echo 'failed: it does not say that memory cannot be locked'
	exit 1
fi
if ip link show old0 | grep -q xdp; then
	echo 'failed: something is still attached'
	exit 1
fi
