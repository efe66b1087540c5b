#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How long a start takes that finds four full arenas of 1 MiB and a full ring
# of 1,024 messages: the dead daemon's workers are held at the disk until all
# is full, and then it is killed.  Prints a CSV line for each round:
# messages recovered, ms of recovery (the daemon's own figure), ms from exec
# to ready.
#
# Usage: recover.sh DIRECTORY ROUNDS; from run.sh, with BW_BUILD set
set -eu
dir=$1
rounds=$2
bin=$BW_BUILD/bench
set -- -o "socket.path=$dir/sock" -o "files.path=$dir/files" \
	-o "state.path=$dir/state" -o control.path= -o buffer.timeout=never
daemon=
trap '[ -z "$daemon" ] || kill -9 $daemon 2>/dev/null || :' EXIT

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

ready() {
	until grep -q ' ready: ' "$dir/log"; do
		kill -0 $daemon 2>/dev/null || return 1
	done
}

round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	rm -rf "$dir"
	mkdir -p "$dir/files"
	: >"$dir/block"
	: >"$dir/log"
	BW_FAILPOINTS="flush.write=stall:$dir/block" \
		"$BW_BUILD/failpoints/bufwriterd" "$@" 2>"$dir/log" &
	daemon=$!
	ready
	# More than fits: the sender waits until it is stopped.
	timeout 3 "$bin/sender" -n 2 -m 100000 -s 200 -D "$dir/sock" \
		>/dev/null 2>&1 || :
	kill -9 $daemon
	wait $daemon 2>/dev/null || :
	: >"$dir/log"
	began=$(now_ms)
	"$BW_BUILD/bufwriterd" "$@" 2>"$dir/log" &
	daemon=$!
	ready
	ended=$(now_ms)
	sed -n "s/.*recovered: messages=\([0-9]*\).* in \([0-9.]*\) ms.*/\1,\2,$((ended - began))/p" \
		"$dir/log"
	kill $daemon
	wait $daemon || :
	daemon=
done
