#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs rounds of chaos, one after the other: `make chaos` calls this.
#
# BW_BUILD       where the programs are
# CHAOS_SECONDS  how long (120); the round that has begun then is finished
# CHAOS_SEED     the seed of the first round; each further one takes the next
# CHAOS_ROUNDS   how many rounds; with CHAOS_SEED and without CHAOS_SECONDS: 1
#
# A round that fails keeps its directory, with the log of each life of the
# daemon, and the command that repeats it is printed.
set -u

program=$BW_BUILD/tests/chaos/chaos
log=$BW_BUILD/tests/chaos/log
mkdir -p "$log"
rounds=${CHAOS_ROUNDS:-0}
if [ -n "${CHAOS_SEED:-}" ]; then
	seed=$CHAOS_SEED
	[ -n "${CHAOS_SECONDS:-}" ] || [ "$rounds" != 0 ] || rounds=1
else
	seed=$(($(date +%s) * 1000))
fi
end=$(($(date +%s) + ${CHAOS_SECONDS:-120}))
passed=0
failed=0
sums=$log/sums
: >"$sums"
trap 'exit 130' INT TERM

# more: is there another round to run?
more() {
	if [ "$rounds" != 0 ]; then
		[ $((passed + failed)) -lt "$rounds" ]
	else
		[ "$(date +%s)" -lt "$end" ]
	fi
}

# total: the numbers of all rounds.  A comma ends a word after its number.
total() {
	awk '{
		for (i = 2; i <= NF; i++)
			if ($i ~ /^(lives|kills|faults|failures|messages|files|dropped|deleted),$/)
				sum[substr($i, 1, length($i) - 1)] += $(i - 1)
			else if ($i ~ /^(wrote|flushed|looked|killed)$/)
				sum["programs: " $i] += $(i + 1)
	} END {
		for (word in sum)
			printf "%14d %s\n", sum[word], word
	}' "$sums" | sort -k 2
}

while more; do
	out=$log/$seed
	timeout -k 10 "${TEST_TIMEOUT:-300}" nice "$program" "$seed" \
		>"$out" 2>&1 </dev/null
	status=$?
	sed -n 's/^round: //p' "$out" | tee -a "$sums"
	if [ "$status" = 0 ]; then
		passed=$((passed + 1))
		rm -f "$out"
	else
		failed=$((failed + 1))
		grep -v '^round: ' "$out" | tail -n 60
		echo "seed $seed FAILED, exit status $status;" \
			"output in $out; repeat:"
		echo "    make chaos CHAOS_SEED=$seed"
	fi
	seed=$((seed + 1))
done
total
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
