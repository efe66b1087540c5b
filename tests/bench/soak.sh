#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does the daemon grow?  Runs it under everything at once (senders, a shipper
# that takes the files away, a flood of bad control commands, status, metrics,
# flush and reload each second) and looks at memory and descriptors every five
# seconds.  Prints the samples as CSV: seconds, resident KiB, of it anonymous,
# descriptors, threads, messages received.
#
# Usage: soak.sh DIRECTORY MINUTES; from run.sh, with BW_BUILD set.  Fails if
# the last third needs more than the second, or if a message is missing.
set -eu
dir=$1
seconds=$(($2 * 60))
bin=$BW_BUILD/bench
mkdir -p "$dir/files"
cat >"$dir/conf" <<END
[socket]
path = $dir/sock
[buffer]
size = 256K
forced = 300ms
timeout = never
[files]
path = $dir/files
[state]
path = $dir/state
[control]
path = $dir/control
metrics_file = $dir/metrics
metrics_interval = 1s
END
"$BW_BUILD/bufwriterd" -c "$dir/conf" 2>"$dir/log" &
daemon=$!
loads=
trap 'kill -9 $daemon $loads 2>/dev/null || :' EXIT
until [ -S "$dir/control" ]; do sleep 0.1; done

ask() {
	# shellcheck disable=SC2086 # words
	"$BW_BUILD/bufwriter" $1 --socket "$dir/control"
}

over() { [ ! -e "$dir/go" ]; }
received() {
	sed -n 's/^bufwriter_received_total{[^}]*} \([0-9]*\).*/\1/p' "$dir/metrics"
}

: >"$dir/go"
until over; do
	"$bin/sender" -n 3 -m 60000 -s 300 -r 30000 "$dir/sock" >/dev/null
done &
loads="$loads $!"
senders=$!
until over; do
	find "$dir/files" -maxdepth 1 -name '*.log' -delete
	sleep 0.5
done &
loads="$loads $!"
until over; do
	for command in 'status --json' metrics flush reload 'status --check'; do
		ask "$command" || :
	done
	sleep 1
done >/dev/null 2>&1 &
loads="$loads $!"
"$bin/crowd" flood "$dir/control" &
loads="$loads $!"

now=0
while [ $now -lt $seconds ]; do
	sleep 5
	now=$((now + 5))
	awk -v now=$now -v fds="$(find /proc/$daemon/fd -type l | wc -l)" \
		-v got="$(received)" '
		/^VmRSS/ { rss = $2 }
		/^RssAnon/ { anon = $2 }
		/^Threads/ { threads = $2 }
		END { printf "%d,%d,%d,%d,%d,%d\n", now, rss, anon, fds,
			threads, got }' /proc/$daemon/status | tee -a "$dir/samples"
done
rm "$dir/go"
wait $senders
# shellcheck disable=SC2086 # words
kill $loads 2>/dev/null || :
kill $daemon
wait $daemon
grep 'stopped: ' "$dir/log" >&2
grep 'stopped: ' "$dir/log" | sed 's/.*received=\([0-9]*\) written=\([0-9]*\) .*/\1 \2/' |
	awk '{ exit $1 != $2 || !$1 }' || {
	echo "soak: messages are missing" >&2
	exit 1
}
awk -F, '
	{ for (i = 2; i <= 5; i++) v[NR, i] = $i }
	END {
		for (n = int(NR / 3) + 1; n <= NR; n++)
			for (i = 2; i <= 5; i++) {
				last = n > int(2 * NR / 3)
				if (v[n, i] > most[last, i])
					most[last, i] = v[n, i]
			}
		split("resident KiB,anonymous KiB,descriptors,threads", name, ",")
		for (i = 2; i <= 5; i++) {
			printf "soak: %s: at most %d in the second third, %d in the last\n",
				name[i - 1], most[0, i], most[1, i] >"/dev/stderr"
			if (most[1, i] > most[0, i] + (i < 4 ? 64 : 0))
				bad = 1
		}
		exit bad
	}' "$dir/samples"
