# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What every verb of ./dev uses: messages, building, and the counting of what was run.

build=build
log_dir=$build/log
passed=0 failed=0 skipped=0
failed_logs=()
declare -A beside_pids=()

say()
{
	printf '==> %s\n' "$*"
}

die()
{
	printf 'dev: %s\n' "$@" >&2
	exit 1
}

# Under sudo, what was made in the build directories belongs to who called, so that a plain
# `./dev build` works afterwards.
give_back()
{
	local dir

	[ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] || return 0
	for dir in build build-*; do
		[ -d "$dir" ] && chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$dir"
	done
	return 0
}

# configure DIR [MESON OPTION...]: once; later runs keep their options and reconfigure by themselves.
configure()
{
	local dir=$1

	shift
	[ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"
}

# Builds with one progress line; the log is shown only if it fails.
quiet_build()
{
	mkdir -p "$log_dir"
	say "building $build/ (log: $log_dir/build.log)"
	if ! { configure "$build" && meson compile -C "$build"; } >"$log_dir/build.log" 2>&1; then
		cat "$log_dir/build.log" >&2
		die "the build failed"
	fi
}

# item NAME COMMAND...: runs one counted test. Exit code 77 means skipped; the last line says why.
item()
{
	local name=$1 log rc=0 start=$SECONDS

	shift
	mkdir -p "$log_dir"
	log=$log_dir/${name//[^A-Za-z0-9]/-}.log
	printf '  %-52s ' "$name"
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	case $rc in
	0)
		passed=$((passed + 1))
		printf 'ok       %4d s\n' $((SECONDS - start))
		;;
	77)
		skipped=$((skipped + 1))
		printf 'skipped  %s\n' "$(tail -n 1 "$log")"
		;;
	*)
		failed=$((failed + 1))
		failed_logs+=("$log")
		printf 'FAILED   %4d s\n' $((SECONDS - start))
		;;
	esac
}

# beside NAME COMMAND...: starts it at idle priority, so that it takes what the tests leave of the processors. It
# has a process group of its own, by which stop_beside ends all of it.
beside()
{
	local name=$1

	shift
	mkdir -p "$log_dir"
	set -m
	{
		chrt --idle --pid 0 "$BASHPID" || renice -n 19 -p "$BASHPID"
		"$@"
	} >"$log_dir/$name.log" 2>&1 </dev/null &
	set +m
	beside_pids[$name]=$!
}

# The exit code of what was started beside, when it has ended, after what it printed.
finish_beside()
{
	local name=$1 rc=0

	wait "${beside_pids[$name]}" || rc=$?
	unset "beside_pids[$name]"
	cat "$log_dir/$name.log"
	return $rc
}

stop_beside()
{
	local pid

	for pid in "${beside_pids[@]}"; do
		kill -- "-$pid" 2>/dev/null || true
	done
}

# Shows the logs of what failed and then, as the last line, the counts. Non-zero if any failed.
report()
{
	local log

	for log in "${failed_logs[@]}"; do
		printf '\n---- %s (last 60 lines)\n' "$log"
		tail -n 60 "$log"
	done
	printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" -eq 0 ]
}

# The project's files that match the given find(1) tests, NUL-terminated, build directories left out.
project_files()
{
	find . \( -name '.git' -o -path './build*' -o -name node_modules -o -name __pycache__ \) -prune \
		-o -type f \( "$@" \) -print0 | sort -z
}

c_sources()
{
	project_files -name '*.c' -o -name '*.h'
}
