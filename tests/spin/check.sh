#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Checks link.pml with SPIN: the model holds, and each bug that it can be given breaks it.
set -eu

model=$(cd "$(dirname "$0")" && pwd)/link.pml
command -v spin >/dev/null || { echo "SKIP: spin is not installed"; exit 77; }
command -v cc >/dev/null || { echo "SKIP: spin needs a C compiler"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# search BUG [OPTION]: prints the number of errors. A bug is found before an optimizing compiler is done.
search()
{
	spin -DBUG="$1" -search ${2:+"$2"} -m100000 "$model" >"$1.log" 2>&1 || true
	sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$1.log"
}

[ "$(search 0 -O1)" = 0 ] || { cat 0.log; echo "the model does not hold"; exit 1; }
sed -n 's/^ *\([0-9]*\) states, stored.*/it holds in \1 states/p' 0.log
for bug in 1 2 3 4 5 6; do
	errors=$(search $bug)
	[ "${errors:-0}" -gt 0 ] || { cat $bug.log; echo "bug $bug is not found"; exit 1; }
	echo "bug $bug is found"
done
