#!/bin/sh
# SPDX-License-Identifier: MIT
#
# BENCH=lanes: what a message costs the program that logs it, through a lane,
# as a datagram, and in process by the schemes of others; and what each loses
# when the program is killed.  Prints lanes.csv; lanes_report.sh reads it.
#
# Usage: lanes.sh DIRECTORY ROUNDS; from run.sh, with BW_BUILD set
set -eu
dir=$1
rounds=$2
bin=$BW_BUILD/bench
: "${BENCH_BYTES:=200}"
: "${BENCH_BYTES_MAX:=536870912}"
: "${BENCH_MESSAGES:=500000}"
: "${BENCH_ONLY:=lane datagram gochan spdlog write}"
others='nobody datagram lane hostile opens'
many=$((BENCH_BYTES_MAX / BENCH_BYTES))
daemon=
other=
trap '[ -z "$daemon$other" ] || kill -9 $daemon $other 2>/dev/null || :' EXIT

say() { echo "bench: $*" >&2; }

# Fresh, with its defaults; BENCH_OPTIONS is for experiments.
start_daemon() {
	rm -rf "$dir"
	mkdir -p "$dir/files"
	: >"$dir/log"
	# shellcheck disable=SC2086
	"$BW_BUILD/bufwriterd" -o "socket.path=$dir/sock" \
		-o "files.path=$dir/files" -o "state.path=$dir/state" \
		-o "control.path=$dir/control" "$@" ${BENCH_OPTIONS:-} \
		2>"$dir/log" &
	daemon=$!
	until grep -q ' ready: ' "$dir/log"; do
		kill -0 $daemon 2>/dev/null || {
			say "the daemon does not start: $(cat "$dir/log")"
			return 1
		}
		sleep 0.01
	done
}

stop_daemon() {
	kill $daemon
	wait $daemon || :
	daemon=
}

# CPU time of all threads of the daemon, in microseconds.
daemon_us() {
	[ "$daemon" ] || {
		echo 0
		return
	}
	cat /proc/$daemon/task/*/schedstat |
		awk '{ ns += $1 } END { printf "%.0f\n", ns / 1000 }'
}

is_ours() { [ "$1" = lane ] || [ "$1" = datagram ]; }

have() {
	case $1 in
	gochan) [ -x "$bin/gocaller" ] ;;
	spdlog) [ -x "$bin/caller-spdlog" ] ;;
	esac
}

# call NAME THREADS PROCESSES OPTION...: its line of results
call() {
	name=$1 threads=$2 processes=$3
	shift 3
	case $name in
	lane | datagram)
		timeout 120 "$bin/caller-bufwriter" -m "$name" -t "$threads" \
			-p "$processes" -s "$BENCH_BYTES" "$@" "$dir/sock"
		;;
	gochan)
		# One process: its threads share the channel.
		timeout 120 "$bin/gocaller" -t $((threads * processes)) \
			-s "$BENCH_BYTES" "$@" "$dir/files"
		;;
	*)
		timeout 120 "$bin/caller-$name" -t "$threads" \
			-p "$processes" -s "$BENCH_BYTES" "$@" "$dir/files"
		;;
	esac
}

# heat TEST NAME ROUND THREADS PROCESSES OPTION...
heat() {
	test=$1 name=$2 round=$3 threads=$4 processes=$5
	shift 5
	rm -rf "$dir"
	mkdir -p "$dir/files"
	! is_ours "$name" || start_daemon
	before=$(daemon_us)
	result=$(call "$name" "$threads" "$processes" "$@") || {
		say "$test $name: failed"
		[ -z "$daemon" ] || stop_daemon
		return 0
	}
	after=$(daemon_us)
	[ -z "$daemon" ] || stop_daemon
	eval "$("$bin/count" "$dir/files")"
	sent=$(echo "$result" | cut -d, -f3)
	used=$(awk "BEGIN { printf \"%.4f\", ($after - $before) / $sent }")
	# shellcheck disable=SC2154 # from count
	line="$test,$name,$round,$result,$used,$unique,$duplicate,$broken"
	echo "$line"
	say "$line"
}

# What had returned when the program was killed, and what is in files.
killed() {
	name=$1 round=$2
	rm -rf "$dir"
	mkdir -p "$dir/files"
	! is_ours "$name" || start_daemon
	if [ "$name" = gochan ]; then
		call gochan 2 1 -n 100000000 -r 1000000 -k 400 || :
		sent=$(od -An -v -t u8 "$dir/returned" |
			awk '{ n += $1 + $2 } END { print n }')
	else
		sent=$(call "$name" 2 1 -n 100000000 -r 1000000 -k 400)
	fi 2>/dev/null
	[ -z "$daemon" ] || {
		"$BW_BUILD/bufwriter" flush -s "$dir/control" >&2
		stop_daemon
	}
	eval "$("$bin/count" "$dir/files")"
	line="kill,$name,$round,$sent,$unique,$duplicate,$broken"
	echo "$line"
	say "$line"
}

# start_other NAME: who disturbs; nobody: $other stays empty.
start_other() {
	case $1 in
	nobody) return 0 ;;
	hostile | opens)
		# It is another user, see hostile.c.
		chmod a+x "${dir%/*}" "$dir"
		mode=scribble
		[ "$1" = hostile ] || mode=open
		"$bin/hostile" $mode "$dir/sock.lanes" &
		;;
	*)
		"$bin/caller-bufwriter" -m "$1" -n 100000000 \
			-s "$BENCH_BYTES" "$dir/sock" >/dev/null &
		;;
	esac
	other=$!
	sleep 0.3
	kill -0 $other
}

stop_other() {
	[ "$other" ] || return 0
	kill -9 $other 2>/dev/null || :
	wait $other 2>/dev/null || :
	other=
}

# beside HOW OTHER ROUND: a sender at 100,000/s beside another process.
beside() {
	how=$1 who=$2 round=$3
	start_daemon -o socket.mode=0666
	result=
	! start_other "$who" ||
		result=$(call "$how" 1 1 -n 60000 -r 100000 -l) || result=
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status")
	fds=$(find "/proc/$daemon/fd" -mindepth 1 | wc -l)
	stop_other
	stop_daemon
	[ "$result" ] || {
		say "beside-$how $who: failed"
		return 0
	}
	line="beside-$how,$who,$round,$result,$rss,$fds"
	echo "$line"
	say "$line"
}

# Lines through the command.
piped() {
	round=$1
	start_daemon
	began=$(date +%s%N)
	seq 1 5000000 | "$BW_BUILD/bufwriter" send -s "$dir/sock" || :
	"$BW_BUILD/bufwriter" flush -s "$dir/control" >&2
	ended=$(date +%s%N)
	stop_daemon
	lines=$(find "$dir/files" -type f -exec cat {} + | sort -u |
		awk 'END { print NR }')
	line="seq,send,$round,$(awk "BEGIN { printf \"%.0f\", \
		5000000 * 1e9 / ($ended - $began) }"),$lines"
	echo "$line"
	say "$line"
}

# A program that has sent one message and does nothing.
idle() {
	start_daemon
	for mode in datagram auto lane; do
		"$bin/caller-bufwriter" -i -m $mode "$dir/sock" |
			awk -v m=$mode '{ kb[$1] = $2 } END {
				print "idle," m ",1," kb["RssAnon:"] "," \
					kb["RssShmem:"] }'
	done
	stop_daemon
}

round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	for name in $BENCH_ONLY; do
		[ "$name" != beside ] || continue
		have "$name" || continue
		case $name in
		lane) n=$many paced=1000000 ;;
		datagram) n=$BENCH_MESSAGES paced=$BENCH_MESSAGES ;;
		*) n=1000000 paced=1000000 ;;
		esac
		heat rate "$name" "$round" 1 2 -n "$n"
		heat paced1 "$name" "$round" 1 1 -l -r 1000000 -n "$paced"
		heat paced2 "$name" "$round" 2 1 -l -r 1000000 -n "$paced"
		killed "$name" "$round"
	done
	for who in $others; do
		beside datagram "$who" "$round"
		beside lane "$who" "$round"
	done
	[ "$BENCH_ONLY" = beside ] || piped "$round"
done
[ "$BENCH_ONLY" = beside ] || idle
rm -rf "$dir"
