#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   kill_others.sh [NAME...]
#
# What loggers keep when they are killed, when they are restarted, and when the
# disk is full: each gets numbered messages, and every message is counted in
# what it has written.  As root, in namespaces of its own; `make bench-deps`
# fetches the loggers.  Costs are the task of run.sh; here nothing is timed.
#
#   killed     SIGKILL before each fifth of the messages, and another process
#              at once, as a supervisor starts it
#   restarted  the same with SIGTERM
#   full disk  the files are on a tmpfs of 4 MiB, for three times as much; then
#              it becomes larger
#
# Every logger makes its socket itself, so what is in the kernel's queue at a
# kill is lost for all of them alike: at most 11 datagrams each time, because the
# queue has the kernel's default length.  `held` is bufwriterd with a socket that
# a supervisor holds, as systemd does with the package's unit.
#
# shellcheck disable=SC1091,SC2034,SC2154
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${BW_BUILD:=$here/../../build}"
BW_BUILD=$(cd "$BW_BUILD" && pwd)
: "${KILL_MESSAGES:=100000}"
export BW_BUILD
bin=$BW_BUILD/bench
deps=$bin/deps
python=/usr/bin/python3

if [ -z "${BENCH_INSIDE:-}" ]; then
	[ "$(id -u)" = 0 ] || {
		echo "kill_others: this needs root" >&2
		exit 1
	}
	# A process namespace: no signal reaches another process, whatever ends
	# when.
	BENCH_INSIDE=1 exec unshare -nmpf --mount-proc --kill-child \
		"$0" "$@"
fi
mkdir -p "$bin"
cc -O2 -o "$bin/count" "$here/count.c"
triplet=$(cc -print-multiarch)
[ $# != 0 ] || set -- bufwriterd bufwriterd-held bufwriterd-never rsyslog \
	syslog_ng journald socklog s6_log

. "$here/contestants.sh"

work=$(mktemp -d /dev/shm/bufwriter-kill.XXXXXX)
state_dir=$work
keeper=
cleanup() {
	touch "$work/stop"
	[ ! -s "$work/pid" ] || kill -KILL "$(cat "$work/pid")" 2>/dev/null || :
	[ -z "$keeper" ] || kill "$keeper" 2>/dev/null || :
	wait 2>/dev/null || :
	umount "$work/out" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# supervise: starts the logger again whenever it ends, until $work/stop exists
supervise() {
	while [ ! -e "$work/stop" ]; do
		case $sock in "$work"/*) [ "$held" = yes ] || rm -f "$sock" ;; esac
		sh "$work/cmd" >>"$work/log" 2>&1 8<&- &
		echo $! >"$work/pid"
		wait $! || :
	done
}

# s6-log reads a pipe, which a supervisor holds open.
have_s6_log() { need_program s6-log; }
start_s6_log() {
	mkfifo "$work/fifo"
	sock=fifo:$work/fifo
	{
		library_path
		echo "exec '$(program s6-log)' -b n20 s16777216 '$out/s6'" \
			"<'$work/fifo'"
	} >"$work/cmd"
}

# begin NAME: prepares a directory and the logger's command
begin() {
	name=$1
	base=${name%%-*} variant=${name#*-}
	sock=$work/sock out=$work/out prefix='' held=no
	counter="'$bin/count' '$out'"
	rm -rf "$work"/[!o]* "$work"/out/*
	mkdir -p "$out"
	case $variant in
	held) "start_$base" ;;
	never) "start_$base" -o buffer.timeout=never ;;
	*) "start_$base" ;;
	esac
	if [ "$variant" = held ]; then
		held=yes
		# the command alone; hold.py is its supervisor
		sed -n "s/^exec //p" "$work/cmd" >"$work/held"
	fi
	case $sock in fifo:*) exec 8<>"$work/fifo" ;; esac
	if [ "$held" = yes ]; then
		eval "exec_held $(cat "$work/held")"
	else
		supervise 2>/dev/null &
		keeper=$!
	fi
	until [ -s "$work/pid" ]; do sleep 0.01; done
}

exec_held() {
	"$python" "$here/../recipes/hold.py" "$sock" "$work/pid" "$@" \
		2>>"$work/log" &
	keeper=$!
}

# finish: lets the logger write what it has, stops it, and counts
finish() {
	wait_settled
	touch "$work/stop"
	if [ "$held" = yes ]; then
		kill -TERM "$keeper"
	else
		kill -TERM "$(cat "$work/pid")"
	fi
	wait "$keeper" 2>/dev/null || :
	keeper=
	exec 8<&-
	eval "$counter" >"$work/count" 2>>"$work/log"
	. "$work/count"
}

# until what is written does not grow any more for two seconds
wait_settled() {
	same=0 before=
	while [ "$same" -lt 10 ]; do
		now=$(du -sb "$out" | cut -f 1)
		if [ "$now" = "$before" ]; then
			same=$((same + 1))
		else
			same=0
		fi
		before=$now
		sleep 0.2
	done
}

send() {
	"$python" "$here/again.py" "$KILL_MESSAGES" 200 "$prefix" "$work/pid" \
		"$1" "$sock"
}

report() {
	printf '%-17s %-10s %8s %8s %8s %8s %8s %6s\n' "$@"
}

# fifths SIGNAL
fifths() {
	for n in 1 2 3 4; do
		printf '%s%s:%s' "${sep-}" "$1" $((KILL_MESSAGES * n / 5))
		sep=,
	done
	sep=
}

# round NAME TEXT DEEDS
round() {
	begin "$1"
	send "$3" >"$work/sent"
	read -r taken refused <"$work/sent"
	finish
	report "$1" "$2" "$taken" "$refused" "$unique" $((taken - unique)) \
		"$duplicate" "$broken"
}

# full NAME
full() {
	mkdir -p "$work/out"
	mount -t tmpfs -o size=4m tmpfs "$work/out"
	begin "$1"
	messages=$KILL_MESSAGES
	KILL_MESSAGES=60000
	GIVE_UP=50 send none >"$work/sent"
	KILL_MESSAGES=$messages
	mount -o remount,size=512m "$work/out"
	read -r taken refused <"$work/sent"
	finish
	report "$1" "full disk" "$taken" "$refused" "$unique" \
		$((taken - unique)) "$duplicate" "$broken"
	umount "$work/out"
}

report logger '' taken refused found lost doubled torn
for name in "$@"; do
	if ! why=$("have_${name%%-*}"); then
		echo "kill_others: without $name: $why" >&2
		continue
	fi
	round "$name" killed "$(fifths KILL)"
	round "$name" restarted "$(fifths TERM)"
	full "$name"
done
