#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make bench BENCH=languages: what one log call costs in each language, with
# bufwriter and with what people use today, in one run.  Contestants of one
# language take turns in one process, and the figure is the median of the rounds.
# All but winston-syslog send to the same daemon.
#
# BENCH_CALLS (20000), BENCH_ROUNDS (5)
# shellcheck disable=SC2016
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
: "${BW_BUILD:=$top/build}" "${BENCH_CALLS:=20000}" "${BENCH_ROUNDS:=5}"
: "${BENCH_RESULTS:=$BW_BUILD/bench}"

# Queue length and /dev/log belong to namespaces of this script.
if [ -z "${BENCH_INSIDE:-}" ] && [ "$(id -u)" = 0 ] &&
	unshare -nm true 2>/dev/null; then
	BENCH_INSIDE=1 exec unshare -nm "$0"
fi
work=$(mktemp -d /dev/shm/bufwriter-bench.XXXXXX)
trap 'kill "$daemon" 2>/dev/null; wait; rm -rf "$work"' EXIT
mkdir -p "$work/files" "$BENCH_RESULTS"
export BUFWRITER_SOCKET="$work/sock"
if [ -n "${BENCH_INSIDE:-}" ]; then
	echo 512 >/proc/sys/net/unix/max_dgram_qlen
	ip link set lo up 2>/dev/null || :
fi
"$BW_BUILD/bufwriterd" -o "socket.path=$work/sock" -o "files.path=$work/files" \
	-o "state.path=$work/state" -o "control.path=$work/control" \
	-o "lanes.path=$work/lanes" -o buffer.timeout=never 2>"$work/log" &
daemon=$!
while ! "$BW_BUILD/bufwriter" status -s "$work/control" >/dev/null 2>&1; do
	kill -0 "$daemon" 2>/dev/null || {
		cat "$work/log" >&2
		exit 1
	}
	sleep 0.05
done

# try NAME COMMAND...
try() {
	name=$1
	shift
	"$@" >>"$work/raw" 2>"$work/$name.err" || {
		echo "bench: $name: left out: $(tail -n 1 "$work/$name.err")" >&2
	}
	# The files would fill the memory.
	"$BW_BUILD/bufwriter" flush -q -s "$work/control" || :
	find "$work/files" -type f -delete
}

: >"$work/raw"
try python env PYTHONPATH="$top/client/python" \
	BUFWRITER_LIBRARY="$BW_BUILD/libbufwriter.so" /usr/bin/python3 -B \
	"$here/languages/bench.py" "$BENCH_CALLS" "$BENCH_ROUNDS"

mkdir -p "$work/go/src"
ln -s "$top/client/go" "$work/go/src/bufwriter"
ln -s "$here/languages/go" "$work/go/src/bench"
export GO111MODULE=off CGO_ENABLED=0 GOPATH="$work/go" \
	GOCACHE="$BW_BUILD/tests/gocache"
try go-build go build -o "$work/bench-go" bench
try go "$work/bench-go" "$BENCH_CALLS" "$BENCH_ROUNDS"

if [ -d "$BW_BUILD/recipes/node/node_modules/winston-syslog" ]; then
	cp -r "$BW_BUILD/recipes/node/node_modules" "$work/"
	cp -r "$top/client/node" "$work/node_modules/bufwriter"
	cp "$here/languages/bench.js" "$work/"
	PATH=$BW_BUILD:$PATH try node node "$work/bench.js" "$BENCH_CALLS" \
		"$BENCH_ROUNDS"
else
	echo "bench: node: left out: make recipes-deps installs winston-syslog" >&2
fi

if [ -n "${BENCH_INSIDE:-}" ] && [ -d /usr/share/php/Monolog ]; then
	sed -n '/^```php/,/^```$/p' "$top/client/languages/php.md" |
		sed -e '/^```/d' -e "s,/run/bufwriter\\.sock,$work/sock,g" \
			-e "s,/run/bufwriter/limits,$work/sock.limits,g" \
			>"$work/bw_log.php"
	mount -t tmpfs none /mnt && cp -a /dev/null /dev/urandom /mnt/ &&
		mkdir /mnt/shm && mount --bind /dev/shm /mnt/shm &&
		: >/mnt/log && mount --bind "$work/sock" /mnt/log &&
		mount --rbind /mnt /dev &&
		BW_LOG=$work/bw_log.php try php php "$here/languages/bench.php" \
			"$BENCH_CALLS" "$BENCH_ROUNDS"
else
	echo "bench: php: left out: php-monolog is not installed" >&2
fi

awk -F '\t' '
	{ ns[$1, $2] = $3; printf "%-8s %-26s %8d ns a call\n", $1, $2, $3 }
	function goal(text, value, bound, less,   sign, reached) {
		if (value <= 0)
			return
		sign = less ? "<=" : ">="
		reached = less ? value <= bound : value >= bound
		printf "%-52s %5.2f (goal %s %s) %s\n", text, value, sign, \
			bound, reached ? "reached" : "missed"
	}
	function ratio(a, b) { return a > 0 && b > 0 ? a / b : 0 }
	END {
		print ""
		goal("python: library / formatting alone",
			ratio(ns["python", "bufwriter, library"],
			ns["python", "formatting alone"]), 1.15, 1)
		goal("node: rate / rate of winston-syslog",
			ratio(ns["node", "winston, winston-syslog"],
			ns["node", "winston, bufwriter"]), 5, 0)
		goal("node: rate of the plain writer / winston-syslog",
			ratio(ns["node", "winston, winston-syslog"],
			ns["node", "bufwriter"]), 5, 0)
		goal("go: rate / rate of log/syslog",
			ratio(ns["go", "log/syslog"], ns["go", "bufwriter"]),
			3, 0)
	}' "$work/raw" | tee "$BENCH_RESULTS/languages.txt"
