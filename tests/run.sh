#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   run.sh [-j JOBS] PROGRAM...
#
# Runs these test programs, JOBS of them side by side.  When one ends, the
# script shows its name and its closing line, or its whole output if it
# failed.  The last line is the sum of all.  A suite that exits with 77 says
# that it cannot run here; the script shows the reason and counts the suite
# neither as passed nor as failed.
#
# BW_BUILD      where the programs under test are
# BW_SAN        the sanitizers they are built with, or empty
# BW_RUN        what runs a test program, such as an emulator, or empty
# TEST_JOBS     the number of suites side by side, unless -j says it
# TEST_TIMEOUT  seconds after which a suite counts as stuck (900, with a
#               sanitizer 3600)
set -eu

# Names of suites that need the machine for themselves: these run after the
# others, one by one, each with its reason here.  Each other suite passes beside
# 24 others.
# test_path_watch: takes nearly all instances of inotify that a user may have
alone=test_path_watch

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
limit=${TEST_TIMEOUT:-900}
if [ -n "${BW_SAN-}" ]; then
	limit=${TEST_TIMEOUT:-3600}
	export CK_TIMEOUT_MULTIPLIER="${CK_TIMEOUT_MULTIPLIER:-5}"
	if setarch "$(uname -m)" -R true 2>/dev/null; then
		fixed="setarch $(uname -m) -R"
	fi
fi

# Hundredths of a second since the machine was started.
hundredths() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

# run_one PROGRAM: leaves output and exit status in the log directory and
# prints the program when it has ended.  In the foreground, so that an
# interrupt from the terminal reaches the suite as well.
run_one() {
	name=${1##*/}
	status=0
	begin=$(hundredths)
	# shellcheck disable=SC2086 # words on purpose
	timeout --foreground -k 10 "$limit" $fixed ${BW_RUN-} "$1" \
		>"$logs/$name.log" 2>&1 </dev/null || status=$?
	echo "$status" >"$logs/$name.status"
	echo $(($(hundredths) - begin)) >"$logs/$name.hundredths"
	echo "$1"
}

if [ "${1-}" = --one ]; then
	run_one "$2"
	exit 0
fi

# Suites mostly wait, so one suite a processor would leave processors idle.
jobs=${TEST_JOBS:-$(($(nproc) * 2 + 2))}
while getopts j: option; do
	case $option in
	j) jobs=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

# run_all JOBS: the programs of standard input, the longest of the last run
# first, so that none of those begins when all others have ended.
run_all() {
	while read -r program; do
		# Without a last run: these take longest, and the whole daemon
		# takes longer than a unit.
		case $program in
		*/test_lanes_client | */test_lanes_stop | \
			*/test_client_lanes_threads) length=9000 ;;
		*/test_crash_step | */test_noise | */test_crash_any | \
			*/test_life | */test_recover | */test_crash_again | \
			*/test_python | */test_log_stuck | */test_centre | \
			*/test_ship) length=5000 ;;
		*/e2e/*) length=500 ;;
		*) length=100 ;;
		esac
		last=$logs/${program##*/}.hundredths
		[ ! -e "$last" ] || read -r length <"$last"
		echo "$length $program"
	done | sort -k 1,1nr | cut -d ' ' -f 2- |
		xargs -r -d '\n' -P "$1" -I '{}' "$0" --one '{}'
}

# list yes|no PROGRAM...: those that run alone, or the others
list() {
	wanted=$1
	shift
	for program in "$@"; do
		case " $alone " in
		*" ${program##*/} "*) is=yes ;;
		*) is=no ;;
		esac
		[ "$is" != "$wanted" ] || echo "$program"
	done
}

# set_counts PERCENT CHECKS FAILURES ERRORS: libcheck's closing line
set_counts() {
	checks=$2
	wrong=$(($3 + $4))
}

passed=0
failed=0
skipped=0
ended=0
bad=

# show NAME: what a suite that has ended says, and adds it to the sums
show() {
	name=$1
	log=$logs/$name.log
	read -r status <"$logs/$name.status"
	ended=$((ended + 1))
	echo "$name"
	if [ "$status" = 77 ]; then
		skipped=$((skipped + 1))
		echo "skipped: $(tail -n 1 "$log")"
		return
	fi
	line=$(grep -a '^[0-9]*%: Checks: ' "$log" | tail -n 1) || :
	checks=0
	wrong=0
	if [ -n "$line" ]; then
		# shellcheck disable=SC2046 # three numbers
		set_counts $(echo "$line" | tr -cs '0-9' ' ')
	fi
	if [ "$status" != 0 ] && [ "$wrong" = 0 ]; then
		# It died before or after its closing line.
		checks=$((checks + 1))
		wrong=1
	fi
	if [ "$wrong" != 0 ]; then
		grep -av '^[0-9]*%: Checks: ' "$log" || :
		[ "$status" != 124 ] ||
			echo "$name: stuck for $limit s, stopped"
		echo "$name: FAILED, exit status $status"
		bad="$bad $name"
	fi
	[ -z "$line" ] || echo "$line"
	passed=$((passed + checks - wrong))
	failed=$((failed + wrong))
}

{
	list no "$@" | run_all "$jobs"
	list yes "$@" | run_all 1
} | {
	while read -r program; do
		show "${program##*/}"
	done
	echo
	[ -z "$bad" ] || echo "failed:$bad"
	[ "$skipped" = 0 ] || echo "$skipped suites skipped"
	if [ "$ended" != $# ]; then
		echo "only $ended of $# suites were run"
		failed=$((failed + $# - ended))
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
