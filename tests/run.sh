#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the test programs given, one after the other.  Shows each suite's
# closing line, the whole output of one that fails, and at the end the sum.
#
# BW_BUILD      where the programs under test are
# BW_SAN        the sanitizers they are built with, or empty
# TEST_TIMEOUT  seconds after which a suite counts as stuck (900)
#
# A suite that exits with 77 says that it can not run here; that is shown and
# is neither a pass nor a failure.
set -eu

logs=$BW_BUILD/tests/log
mkdir -p "$logs"

CK_FORK=${CK_FORK:-yes}
export CK_FORK BW_BUILD
# a small quarantine, because tests look at the growth of memory
export ASAN_OPTIONS="${ASAN_OPTIONS:-halt_on_error=1:exitcode=99:\
detect_stack_use_after_return=1:strict_string_checks=1:disable_coredump=1:\
quarantine_size_mb=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1:\
exitcode=99}"
tsan=halt_on_error=1:exitcode=99:second_deadlock_stack=1
supp=$(dirname "$0")/tsan.supp
[ ! -f "$supp" ] || tsan=$tsan:suppressions=$(realpath "$supp")
export TSAN_OPTIONS="${TSAN_OPTIONS:-$tsan}"

# Instrumented code is slow, and its shadow memory does not fit every address
# layout that the kernel chooses at random.
fixed=
if [ -n "${BW_SAN-}" ]; then
	export CK_TIMEOUT_MULTIPLIER="${CK_TIMEOUT_MULTIPLIER:-5}"
	if setarch "$(uname -m)" -R true 2>/dev/null; then
		fixed="setarch $(uname -m) -R"
	fi
fi

# set_counts PERCENT CHECKS FAILURES ERRORS: libcheck's closing line
set_counts() {
	checks=$2
	wrong=$(($3 + $4))
}

passed=0
failed=0
skipped=0
bad=
for program in "$@"; do
	name=$(basename "$program")
	log=$logs/$name.log
	status=0
	# shellcheck disable=SC2086 # words on purpose
	timeout -k 10 "${TEST_TIMEOUT:-900}" $fixed "$program" \
		>"$log" 2>&1 </dev/null || status=$?
	echo "$name"
	line=$(grep -a '^[0-9]*%: Checks: ' "$log" | tail -n 1) || :
	checks=0
	wrong=0
	if [ "$status" = 77 ]; then
		skipped=$((skipped + 1))
		echo "skipped: $(tail -n 1 "$log")"
		continue
	fi
	if [ -n "$line" ]; then
		# shellcheck disable=SC2046 # three numbers
		set_counts $(echo "$line" | tr -cs '0-9' ' ')
	fi
	if [ "$status" != 0 ] && [ "$wrong" = 0 ]; then
		# died before or after what it says of itself
		checks=$((checks + 1))
		wrong=1
	fi
	if [ "$wrong" != 0 ]; then
		grep -av '^[0-9]*%: Checks: ' "$log" || :
		[ "$status" != 124 ] ||
			echo "$name: stuck for ${TEST_TIMEOUT:-900} s, stopped"
		echo "$name: FAILED, exit status $status"
		bad="$bad $name"
	fi
	[ -z "$line" ] || echo "$line"
	passed=$((passed + checks - wrong))
	failed=$((failed + wrong))
done

echo
[ -z "$bad" ] || echo "failed:$bad"
[ "$skipped" = 0 ] || echo "$skipped suites skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
