# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# What the tests of recipes share: a directory, a daemon with a socket that
# outlives it, the blocks of a page, and the count of messages.
#
# A test sends messages with `id=N.` in them, each N once, and ends with
# `expect`.  The daemon is restarted after a third of them and killed after
# the second third.

# The length of a socket's queue belongs to the network namespace.  The package
# sets it to 512, and senders such as HAProxy drop what finds no room.
if [ -z "${BW_INSIDE-}" ] && [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null
then
	BW_INSIDE=1 exec unshare -n "$0" "$@"
fi
if [ -n "${BW_INSIDE-}" ]; then
	echo 512 >/proc/sys/net/unix/max_dgram_qlen
	ip link set lo up 2>/dev/null || :
fi

top=$(cd "$(dirname "$0")/../.." && pwd)
: "${BW_BUILD:=$top/build}"
PATH=$BW_BUILD:$PATH
python=/usr/bin/python3

# fail TEXT: ends the test
fail() {
	echo "$name: FAILED: $*"
	tail -n 20 "$work"/*.out "$work/log" 2>/dev/null | cut -c 1-300
	exit 1
}

# skip TEXT: this machine cannot run the test
skip() {
	echo "$name: skipped: $*"
	exit 77
}

# needs PROGRAM PACKAGE
needs() {
	command -v "$1" >/dev/null 2>&1 || skip "$2 is not installed"
}

# until_true COMMAND...: waits until it succeeds; a hang is a failure
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 1200 ] || fail "waited in vain for: $*"
		sleep 0.05
	done
}

# begin NAME [SETTING...]: a new directory, with a daemon in it.  `also`, if it
# is set, names a second socket, relative to the directory.
begin() {
	name=$1
	shift
	work=$(mktemp -d "${TMPDIR:-/tmp}/bw-recipe.XXXXXX")
	chmod 755 "$work"
	mkdir "$work/run" "$work/files"
	sock=$work/run/bufwriter.sock
	sockets=$sock
	if [ -n "${also-}" ]; then
		mkdir -p "$(dirname "$work/$also")"
		sockets=$sock:$work/$also
	fi
	children=
	trap finish EXIT
	trap 'exit 130' INT TERM
	daemon_start "$@"
}

# daemon_start [SETTING...]: under a program that plays systemd's part
daemon_start() {
	set -- "$@" "socket.path=$sock" "files.path=$work/files" \
		"state.path=$work/state" "control.path=$work/control" \
		buffer.timeout=never
	options=
	for setting in "$@"; do
		options="$options -o $setting"
	done
	# shellcheck disable=SC2086 # words on purpose
	"$python" "$top/tests/recipes/hold.py" "$sockets" "$work/pid" \
		"$BW_BUILD/bufwriterd" $options 2>>"$work/log" &
	holder=$!
	until_true ready
}

ready() {
	bufwriter status -s "$work/control"
}

daemon_pid() {
	cat "$work/pid"
}

# Another daemon runs than the one with this id.
is_other() {
	[ "$(daemon_pid)" != "$1" ] && ready
}

restart() {
	old=$(daemon_pid)
	kill -TERM "$old"
	until_true is_other "$old"
}

sigkill() {
	old=$(daemon_pid)
	kill -KILL "$old"
	until_true is_other "$old"
}

# background COMMAND...: it ends with the test; its output is in NAME.out
background() {
	# Without a redirection, the shell gives /dev/null to a job.
	{ "$@" <&8 8<&- >>"$work/$name.out" 2>&1 & } 8<&0
	last=$!
	children="$children $last"
}

finish() {
	status=$?
	for pid in $children $holder; do
		kill -TERM "$pid" 2>/dev/null || :
	done
	wait 2>/dev/null || :
	if [ -n "${BW_KEEP-}" ]; then
		echo "$name: kept $work"
	else
		rm -rf "$work"
	fi
	exit "$status"
}

# block PAGE N: the Nth block between ``` of a page, with the test's paths
block() {
	awk -v n="$2" '/^```/ { inside = !inside; if (inside) i++; next }
		inside && i == n' "$top/client/$1" |
		sed -e "s,/run/bufwriter\\.sock,$sock,g" \
			-e "s,/usr/bin/bufwriter,$BW_BUILD/bufwriter,g" \
			-e "s,@WORK@,$work,g"
}

# phases COMMAND: COMMAND FROM TO sends the messages FROM to TO
phases() {
	"$@" 1 20
	restart
	"$@" 21 40
	sigkill
	"$@" 41 60
	total=60
}

lines() {
	cat "$work"/files/* 2>/dev/null
}

# Everything that was sent is in files.
all_there() {
	bufwriter flush -q -s "$work/control" &&
		[ "$(lines | grep -ao 'id=[0-9]*\.' | sort -u | wc -l)" -ge \
			"$1" ]
}

# expect [N]: the messages 1 to N, each once
expect() {
	until_true all_there "${1:-$total}"
	wanted=$(seq 1 "${1:-$total}" | sed 's/.*/1 id=&./' | sort)
	found=$(lines | grep -ao 'id=[0-9]*\.' | sort | uniq -c |
		sed 's/^ *//' | sort)
	[ "$found" = "$wanted" ] ||
		fail "not each message once: $(echo "$found" | tr '\n' ' ')"
}

# expect_line REGEX: some line of the files is exactly so
expect_line() {
	lines | grep -aqxE "$1" ||
		fail "no line is $1: $(lines | head -n 3)"
}
