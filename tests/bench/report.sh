#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Turns $results/raw.csv into report.md and SVG plots.  Called by run.sh; run
# it again with `results=DIRECTORY BENCH=MODE` to only redo the report.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${results:?the directory of raw.csv}"
: "${BENCH:=race}"
raw=$results/raw.csv
sum=$results/summary.tsv
report=$results/report.md
awk -f "$here/summary.awk" "$raw" >"$sum" || exit 1

# The discarding reader that counts: for the rate the fastest batch size,
# for CPU the cheapest.  Prints "rate cpu".
floor() {
	awk -F'\t' -v t="$1" '
		$1 == t && $2 ~ /^discard/ {
			if ($5 > rate) rate = $5
			if (!cpu || $12 < cpu) cpu = $12
		}
		END { print rate + 0, cpu + 0 }' "$sum"
}

machine() {
	lscpu 2>/dev/null | awk -F': *' '
		/^Model name/ && !model { model = $2 }
		/^CPU\(s\)/ { cpus = $2 }
		/^Hypervisor/ { virtual = ", virtual (" $2 ")" }
		END { print model ", " cpus " CPUs" virtual }'
}

# Was the machine ours alone?
disturbance() {
	awk -F'\t' '
		$29 > foreign { foreign = $29 }
		$30 > steal { steal = $30 }
		END { printf "others on the machine: at most %.0f %% of its CPUs while a contestant ran, the hypervisor %.0f %% (medians of the worst contestant)%s\n",
			foreign * 100, steal * 100,
			(foreign + steal > 0.1) ? "; **the machine was not quiet: repeat before believing small differences**" : "" }' "$sum"
}

head_lines() {
	cat <<-END
	# bufwriter benchmark: $BENCH

	- machine: $(machine)
	- kernel: $(uname -sr)
	- \`net.unix.max_dgram_qlen\`: ${qlen:-not recorded}
	- files on: $(stat -f -c %T "${BENCH_DIR:-/dev/shm}") (\`BENCH_DIR=${BENCH_DIR:-/dev/shm}\`)
	- ${BENCH_ROUNDS:-?} rounds, interleaved; medians; ${BENCH_MESSAGES:-?} datagrams a heat
	- $(disturbance)
	- to repeat: \`make bench$([ "$BENCH" = race ] || echo " BENCH=$BENCH")\`

	END
}

# Rate and CPU of test $1, against the discarding reader.
rate_table() {
	# shellcheck disable=SC2046
	set -- "$1" $(floor "$1")
	cat <<-END
	| contestant | datagrams/s | lowest – highest | of discard | CPU µs/datagram | of discard | loop + other threads | sender CPU µs | resident MiB | all arrived |
	| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
	END
	awk -F'\t' -v t="$1" -v r="$2" -v c="$3" '
		function of(a, b) { return b ? sprintf("%.2f", a / b) : "–" }
		$1 == t {
			printf "| %s%s | %d | %d – %d | %s | %.2f | %s | %.2f + %.2f | %.2f | %.1f | %s |\n",
				$2, $3 == "" ? "" : " " $3, $5, $20, $21,
				of($5, r), $12, of($12, c), $14, $15, $11,
				$16 / 1024,
				$19 == $4 ? "yes" : $19 " of " $4 " rounds"
		}' "$sum"
	echo
}

latency_table() {
	cat <<-END
	| contestant | p50 µs | p99 µs | p99.9 µs | max µs | worst max µs | senders preempted | datagrams/s | all arrived |
	| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
	END
	awk -F'\t' -v t="$1" '
		$1 == t {
			printf "| %s%s | %.1f | %.1f | %.1f | %.0f | %.0f | %d | %d | %s |\n",
				$2, $3 == "" ? "" : " " $3, $7, $8, $9, $10,
				$26, $31, $5,
				$19 == $4 ? "yes" : $19 " of " $4 " rounds"
		}' "$sum"
	echo
}

# One line: bufwriterd against the discarding reader, test $1.
ratio_line() {
	# shellcheck disable=SC2046
	set -- "$1" $(floor "$1")
	awk -F'\t' -v t="$1" -v r="$2" -v c="$3" '
		$1 == t && $2 == "bufwriterd" && r && c {
			printf "bufwriterd / discard: rate %d / %d = %.3f, CPU %.3f / %.3f us = %.3f\n",
				$5, r, $5 / r, $12, c, $12 / c
		}' "$sum"
}

# Setting $4 of test $1, column $2, against setting $5; named $3.
compare_line() {
	awk -F'\t' -v t="$1" -v col="$2" -v what="$3" -v a="$4" -v b="$5" '
		$1 == t && $3 == a { x = $col }
		$1 == t && $3 == b { y = $col }
		END { if (y) printf "%s: %s %.2f / %s %.2f = %.3f\n",
			what, a, x, b, y, x / y }' "$sum"
}

# bars FILE TITLE LABEL TEST COLUMN: a bar for each contestant, best first.
bars() {
	command -v gnuplot >/dev/null || return 0
	awk -F'\t' -v t="$4" -v col="$5" '$1 == t && $col > 0 {
		printf "%s\t\"%s\"\n", $col, $2 }' "$sum" |
		sort -n >"$results/plot.dat"
	[ -s "$results/plot.dat" ] || return 0
	gnuplot <<-END
	set terminal svg size 760,420 font "sans,12" background "white"
	set output "$results/$1.svg"
	set title "$2"
	set ylabel "$3"
	set style fill solid 0.8 noborder
	set boxwidth 0.7
	set grid ytics
	set xtics rotate by 30 right noenhanced
	set yrange [0:*]
	unset key
	plot "$results/plot.dat" using 0:1:(strstrt(stringcolumn(2), \
		"bufwriterd") ? 0x2a6fb0 : 0xb0b0b0):xtic(2) \
		with boxes linecolor rgb variable notitle
	END
}

# latencies FILE TITLE TEST: p50, p99, p99.9 and max beside each other.
latencies() {
	command -v gnuplot >/dev/null || return 0
	awk -F'\t' -v t="$3" '$1 == t && $9 > 0 {
		printf "\"%s%s\"\t%s\t%s\t%s\t%s\n", $2,
			$3 == "" ? "" : " " $3, $7, $8, $9, $10 }' \
		"$sum" >"$results/plot.dat"
	[ -s "$results/plot.dat" ] || return 0
	gnuplot <<-END
	set terminal svg size 760,420 font "sans,12" background "white"
	set output "$results/$1.svg"
	set title "$2"
	set ylabel "one send, microseconds"
	set logscale y
	set style data histogram
	set style histogram clustered gap 1
	set style fill solid 0.8 noborder
	set grid ytics
	set xtics rotate by 30 right noenhanced
	set key outside top center horizontal
	plot for [i=2:5] "$results/plot.dat" using i:xtic(1) \
		title word("p50 p99 p99.9 max", i - 1)
	END
}

# lines FILE TITLE TEST COLUMN LABEL: one line for each contestant.
lines() {
	command -v gnuplot >/dev/null || return 0
	names=$(awk -F'\t' -v t="$3" '$1 == t && !seen[$2]++ { print $2 }' \
		"$sum")
	plot=''
	for name in $names; do
		awk -F'\t' -v t="$3" -v n="$name" -v col="$4" '
			$1 == t && $2 == n { printf "%s\t%s\n", $3, $col }' \
			"$sum" >"$results/plot-$name.dat"
		plot="$plot${plot:+, }\"$results/plot-$name.dat\" using 0:2:xtic(1) \
with linespoints linewidth 2 title \"$name\""
	done
	[ "$plot" ] || return 0
	gnuplot <<-END
	set terminal svg size 620,360 font "sans,12" background "white"
	set output "$results/$1.svg"
	set title "$2"
	set ylabel "$5"
	set yrange [0:*]
	set grid
	set key bottom right noenhanced
	plot $plot
	END
}

missing_lines() {
	[ -s "$results/missing.txt" ] || return 0
	echo "Not in the race (\`make bench-deps\` gets most of them):"
	echo
	sed 's/^/- /' "$results/missing.txt"
	echo
}

report_race() {
	echo "## Rate and CPU: $(first_load rate)"
	echo
	rate_table rate
	ratio_line rate
	echo
	echo "![rate](rate.svg)"
	echo
	echo "![CPU](cpu.svg)"
	echo
	echo "## Latency of a send, at full speed"
	echo
	latency_table full
	echo "![latency at full speed](latency-full.svg)"
	echo
	echo "## Latency of a send, 100,000 datagrams/s in total"
	echo
	latency_table paced
	echo "![latency at a pace](latency-paced.svg)"
	echo
	missing_lines
	bars rate "Datagrams a second" "datagrams/s" rate 5
	bars cpu "Reader's CPU time for a datagram" "microseconds" rate 12
	latencies latency-full "Latency of a send, at full speed" full
	latencies latency-paced "Latency of a send, 100,000/s" paced
}

report_quick() {
	rate_table rate
	ratio_line rate
}

# Test $1, of which $2 says what it is.
paced_line() {
	awk -F'\t' -v t="$1" -v what="$2" '
		$1 == t && $2 ~ /^discard/ && (!d || $9 < d) { d = $9 }
		$1 == t && $2 == "bufwriterd" { b = $9 }
		END { if (d) printf "p99.9 at 100,000/s, %s: bufwriterd %.1f us / discard %.1f us = %.2f\n", what, b, d, b / d }' "$sum"
}

report_paced() {
	echo "## A processor for each sender"
	echo
	latency_table paced
	paced_line paced "a processor for each sender"
	echo
	echo "## Senders where the kernel puts them"
	echo
	latency_table free
	paced_line free "senders where the kernel puts them"
	latencies latency-paced "Latency of a send, 100,000/s" paced
}

report_state() {
	rate_table state
	compare_line state 5 "rate, state region" state=on state=off
	compare_line state 12 "CPU us, state region" state=on state=off
}

report_senders() {
	rate_table senders
	for which in identify rate; do
		compare_line senders 5 "rate" senders=$which senders=none
		compare_line senders 12 "CPU us" senders=$which senders=none
	done
	echo "## Latency of senders at 20,000/s, and a flood by another user"
	echo
	latency_table flood
	compare_line flood 9 "p99.9 us, a flood by another user" \
		flood=beside flood=alone
}

# Bytes sent and bytes in files, of all heats.
smaller_line() {
	awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		$col["test"] == "zstd" && $3 == "compression=zstd" {
			sent += $col["sent"] * $col["bytes"]
			stored += $col["stored"] }
		END { if (stored) printf "size: %d bytes in messages / %d in files = %.2f\n",
			sent, stored, sent / stored }' "$raw"
}

report_zstd() {
	rate_table zstd
	compare_line zstd 5 "rate" compression=zstd compression=none
	compare_line zstd 12 "CPU us" compression=zstd compression=none
	compare_line paced 9 "p99.9 us at 100,000/s" compression=zstd \
		compression=none
	smaller_line
}

report_large() {
	rate_table large
	awk -F'\t' '$1 == "large" { r[$2] = $5; c[$2] = $12 }
		END { if (r["writev"]) printf "32 KiB: bufwriterd / writev: rate %d / %d = %.3f, CPU %.2f / %.2f us = %.3f\n",
			r["bufwriterd"], r["writev"],
			r["bufwriterd"] / r["writev"],
			c["bufwriterd"], c["writev"],
			c["bufwriterd"] / c["writev"] }' "$sum"
}

report_idle() {
	awk -F'\t' '$1 == "idle" {
		printf "- context switches in 10 s with nothing to do: %d\n", $22
		printf "- start to ready: %.1f ms; stop: %.1f ms\n", $17, $18
		printf "- resident: %.1f MiB, of it anonymous %.1f MiB and shared memory %.1f MiB\n",
			$16 / 1024, $23 / 1024, $24 / 1024 }' "$sum"
}

report_recover() {
	for column in "2:recovery" "3:exec to ready"; do
		sort -t, -n -k "${column%%:*}" "$results/recover.csv" |
			awk -F, -v c="${column%%:*}" -v what="${column#*:}" '
			{ v[NR] = $c; m = $1 }
			END { printf "- %s, %d messages: %.1f ms (%.1f to %.1f)\n",
				what, m, v[int((NR + 1) / 2)], v[1], v[NR] }'
	done
}

report_lanes() {
	"$here/lanes_report.sh" "$results/lanes.csv"
	echo
	missing_lines
}

report_stall() {
	latency_table stall
	compare_line stall 9 "p99.9 us, flushes of 200 ms" stall=one stall=none
	compare_line stall 10 "max us, flushes of 200 ms" stall=one stall=none
	latencies latency-stall "Latency of a send with slow flushes" stall
}

report_control() {
	rate_table control
	latency_table paced
	compare_line control 5 "rate, status each second" control=status control=none
	compare_line paced 9 "p99.9 us, status each second" control=status control=none
	compare_line paced 9 "p99.9 us, crowd on this daemon, against on another" control=flood control=elsewhere
	compare_line paced 9 "p99.9 us, crowd on this daemon, against none" control=flood control=none
}

report_sweep() {
	for sweep in "size:bytes of a message" "senders:senders" \
	    "arena:buffer.size" "workers:buffer.workers" \
	    "queue:buffer.queue_size" "qlen:net.unix.max_dgram_qlen"; do
		t=${sweep%%:*}
		echo "## ${sweep#*:}"
		echo
		rate_table "$t"
		latency_table "$t"
		echo "![$t](sweep-$t.svg)"
		echo
		lines "sweep-$t" "datagrams/s by ${sweep#*:}" "$t" 5 \
			"datagrams/s"
		lines "sweep-$t-cpu" "CPU by ${sweep#*:}" "$t" 12 \
			"microseconds/datagram"
	done
	for n in 2 16; do
		echo "## socket.priority_boost, $n senders"
		echo
		rate_table "boost$n"
		latency_table "boost$n"
	done
}

first_load() {
	awk -F, -v t="$1" '$1 == t { print $5 " senders, " $6 " bytes"; exit }' \
		"$raw"
}

{
	head_lines
	"report_$BENCH"
} >"$report"
rm -f "$results"/plot*.dat
sed -n '/ = [0-9.]*$/p; /^- context\|^- start\|^- resident\|^- recovery\|^- exec/p' "$report"
echo "bench: $report" >&2
