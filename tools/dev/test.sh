# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# `./dev check` and `./dev fuzz`.

asan_build='build-asan'

check_everything()
{
	local quick=no kernels=no

	case ${1:-} in
	'') ;;
	--quick) quick=yes ;;
	--kernels) kernels=yes ;;
	*) die "check: unknown option $1" ;;
	esac
	ensure_packages
	build_for_check
	if [ $quick = yes ]; then
		say "tests"
		meson_tests "$build" --no-suite valgrind
	else
		check_thoroughly
	fi
	[ $kernels = no ] || kernels_check
	report
}

# What only wants a processor gets what the tests leave of it.
check_thoroughly()
{
	say "tests; beside them: the build with sanitizers, clang-tidy"
	beside build-asan build_sanitized
	beside clang-tidy tidy_after "${beside_pids[build-asan]}"
	meson_tests "$build"
	check_sanitizers
	say "lint"
	lint_quickly
	item "lint: clang-tidy" finish_beside clang-tidy
	check_fuzzers
}

tidy_after()
{
	tail --pid="$1" -f /dev/null
	lint_tidy
}

# A warning of either compiler counts as a failed item; a failed build ends everything.
build_for_check()
{
	quiet_build
	say "build"
	item "gcc compiles without warnings" no_warnings "$log_dir/build.log"
}

no_warnings()
{
	! grep -E 'warning:' "$1"
}

# meson_tests DIR [OPTION...]: the tests print their own progress; sub-tests are counted afterwards. Since most of
# them wait most of the time, there are more than processors. A test's limit is for one that hangs, not for a slow machine;
# and what is left to chance is the same each time.
meson_tests()
{
	local dir=$1 rc=0 counts

	shift
	rm -f "$dir/meson-logs/testlog.json"
	NETLAMBDA_SEED=1 meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes $((2 * $(nproc))) \
		--timeout-multiplier 4 "$@" </dev/null || rc=$?
	counts=$(python3 tools/count_tests.py "$dir/meson-logs/testlog.json" $rc) ||
		die "meson test left no log of its tests"
	read -r p f s <<<"$counts"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# clang, with the address and undefined-behaviour sanitizers, and instrumented for the fuzzers.
build_sanitized()
{
	CC=clang configure $asan_build --buildtype=debugoptimized -Dfuzz=true \
		-Db_sanitize=address,undefined -Db_lundef=false \
		-Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined' &&
		meson compile -C $asan_build
}

check_sanitizers()
{
	say "sanitizers: clang, ASan, UBSan (log: $log_dir/build-asan.log)"
	if ! finish_beside build-asan >/dev/null; then
		failed=$((failed + 1))
		failed_logs+=("$log_dir/build-asan.log")
		return
	fi
	item "clang compiles without warnings" no_warnings "$log_dir/build-asan.log"
	ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 \
		UBSAN_OPTIONS=print_stacktrace=1 meson_tests $asan_build \
		--no-suite valgrind --no-suite demo --no-suite once
}

fuzzers()
{
	find $asan_build/tests/fuzz -maxdepth 1 -type f -executable -name 'fuzz_*' 2>/dev/null | sort
}

# One fuzzer a core at a time. What each of them printed, and how it ended, is counted afterwards.
check_fuzzers()
{
	local target name out=$asan_build/fuzz

	say "fuzzers, 10 seconds each"
	mkdir -p "$out"
	for target in $(fuzzers); do
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
			wait -n || true
		done
		name=${target##*/fuzz_}
		{ fuzz_for "$target" 10 -seed=1 >"$out/$name.log" 2>&1 && echo 0 || echo $?; } >"$out/$name.rc" &
	done
	wait
	for target in $(fuzzers); do
		name=${target##*/fuzz_}
		item "fuzz $name: the corpus passes" "$target" -runs=0 "tests/fuzz/corpus/$name"
		item "fuzz $name: 10 seconds find nothing" fuzzed_well "$out/$name"
	done
}

fuzzed_well()
{
	cat "$1.log"
	[ "$(cat "$1.rc")" = 0 ]
}

# fuzz_for TARGET SECONDS [OPTION...]: new inputs are kept in the build directory, not in the project's corpus.
fuzz_for()
{
	local target=$1 seconds=$2 name=${1##*/fuzz_} found

	shift 2
	found=$asan_build/fuzz/$name
	mkdir -p "$found"
	"$target" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$found-" "$@" \
		"$found" "tests/fuzz/corpus/$name"
}

fuzz_by_hand()
{
	local seconds=60 only='' target

	while [ $# -gt 0 ]; do
		case $1 in
		--seconds) seconds=${2:?--seconds needs a number} && shift ;;
		-*) die "fuzz: unknown option $1" ;;
		*) only=$1 ;;
		esac
		shift
	done
	build_sanitized
	for target in $(fuzzers); do
		[ -z "$only" ] || [ "$only" = "${target##*/fuzz_}" ] || continue
		say "$target, $seconds s"
		fuzz_for "$target" "$seconds"
	done
}
