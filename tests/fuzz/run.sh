#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the fuzz targets, one after the other: `make fuzz` calls this.
#
#   tests/fuzz/run.sh [NAME...]    these targets, or all
#
# BW_BUILD      where the targets are
# FUZZ_SECONDS  how long each runs (60)
# FUZZ_SEED     the same number makes the same inputs; 0: others each time (0)
#
# A target begins with the seeds in the tree and with what its last runs found,
# in $BW_BUILD/corpus.  An input that fails is kept in $BW_BUILD/failed.
set -eu

here=$(dirname "$0")
seconds=${FUZZ_SECONDS:-60}
mkdir -p "$BW_BUILD/failed" "$BW_BUILD/log"

# Failures abort, so that the fuzzer keeps the input.
export ASAN_OPTIONS="${ASAN_OPTIONS:-disable_coredump=1:\
detect_stack_use_after_return=1:handle_abort=1:\
quarantine_size_mb=16:allocator_may_return_null=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"

# The shadow memory does not fit every address layout.
fixed=
if setarch "$(uname -m)" -R true 2>/dev/null; then
	fixed="setarch $(uname -m) -R"
fi

# Thousands of small files: memory, where there is some.
TMPDIR=${TMPDIR:-/dev/shm}
[ -w "$TMPDIR" ] || TMPDIR=/tmp
TMPDIR=$(mktemp -d "$TMPDIR/bw-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT TERM

# last PATTERN FILE: the last match, or 0
last() {
	found=$(grep -ao "$1" "$2" | tail -n 1) || :
	echo "${found##* }" | grep . || echo 0
}

# fuzz NAME: one target; 0 if nothing was found
fuzz() {
	target=$BW_BUILD/tests/fuzz/fuzz_$1
	log=$BW_BUILD/log/$1
	corpus=$BW_BUILD/corpus/$1
	mkdir -p "$corpus"
	dict=
	[ ! -e "$here/$1.dict" ] || dict="-dict=$here/$1.dict"
	status=0
	# shellcheck disable=SC2086 # words on purpose
	timeout -k 10 $((seconds + 600)) nice -n 19 $fixed "$target" \
		-seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -max_len=4096 -timeout=60 \
		-rss_limit_mb=1024 -print_final_stats=1 -verbosity=1 \
		-artifact_prefix="$BW_BUILD/failed/$1-" $dict \
		"$corpus" "$here/seeds/$1" >"$log" 2>&1 </dev/null || status=$?
	printf '%-13s %9s inputs, coverage %5s edges, %6s features\n' "$1" \
		"$(last 'stat::number_of_executed_units: [0-9]*' "$log")" \
		"$(last ' cov: [0-9]*' "$log")" "$(last ' ft: [0-9]*' "$log")"
	[ "$status" != 0 ] || return 0
	grep -av -e '^#[0-9]' -e '^stat::' -e 'NEW_FUNC' "$log" | tail -n 60
	input=$(last 'Test unit written to .*' "$log")
	echo "$1: FAILED, exit status $status"
	[ "$input" = 0 ] ||
		echo "repeat: $fixed $target $input"
	return 1
}

if [ $# = 0 ]; then
	for file in "$here"/fuzz_*.c; do
		name=${file##*/fuzz_}
		set -- "$@" "${name%.c}"
	done
fi
passed=0
failed=0
for name in "$@"; do
	if fuzz "$name"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
