#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every metric that the server exports is explained in docs/operations.md, and no other is.
# usage: test_metrics_documented.sh SOURCE_ROOT
set -eu
cd "$1"

exported=$(grep -oh -E '"(netlambda|process)_[a-z_]+"' src/server/*.c | tr -d '"' | sort -u)
# shellcheck disable=SC2016 # the backquotes are Markdown's
documented=$(grep -oh -E '`(netlambda|process)_[a-z_]+`' docs/operations.md | tr -d '\140' | sort -u)
[ -n "$exported" ]
diff <(echo "$exported") <(echo "$documented") >&2 || {
	echo "'<': exported and not in docs/operations.md; '>': there and not exported" >&2
	exit 1
}
