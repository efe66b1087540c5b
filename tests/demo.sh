#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Shows what bufwriter is for.  Four processes send the events of many sessions,
# all mixed up; the daemon makes complete files of them; then the script puts
# one session together again from all files, by its id and the time in each
# event.  It needs no root and changes nothing outside of $BW_BUILD/demo.
#
# EVENTS, SESSIONS  how many (100000, 1000)
set -eu

build=${BW_BUILD:-build}
events=${EVENTS:-100000}
sessions=${SESSIONS:-1000}
senders=4
dir=$build/demo
# The path of a socket has 107 bytes at most, and the state region belongs on
# a tmpfs.
run=$(mktemp -d "${XDG_RUNTIME_DIR:-/dev/shm}/bufwriter-demo.XXXXXX" \
	2>/dev/null || mktemp -d "${TMPDIR:-/tmp}/bufwriter-demo.XXXXXX")
daemon=

step() {
	printf '\n%s\n' "$*"
}

fail() {
	echo "demo: $*" >&2
	exit 1
}

# commas NUMBER: 100000 -> 100,000
commas() {
	echo "$1" | sed -e ':a' -e 's/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta'
}

cleanup() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

rm -rf "$dir"
mkdir -p "$dir/files" "$dir/sent"

# Prints the events of sender $1 of 4: the sessions take turns, and each
# event's number in its session comes from another sender than the one before
# it, so that no file and no sender has a session by itself.
generate() {
	awk -v me="$1" -v senders="$senders" -v events="$events" \
		-v sessions="$sessions" 'BEGIN {
		split("open view scroll click search close", action, " ")
		start = 1767225600000
		for (i = 0; i < events; i++) {
			session = i % sessions
			n = int(i / sessions)
			if ((session + n) % senders != me)
				continue
			# %d has 32 bits only in mawk.
			printf "{\"session_id\":\"s%06d\",\"timestamp\":%.0f,", \
				session, start + i * 7
			printf "\"event\":\"%s\",\"n\":%d}\n", \
				action[n % 6 + 1], n
		}
	}'
}

step "1. Start the daemon"
"$build/bufwriterd" \
	-o socket.path="$run/bufwriter.sock" \
	-o files.path="$dir/files" \
	-o files.suffix=.jsonl \
	-o state.path="$run/state" \
	-o control.path="$run/control.sock" \
	2>"$dir/daemon.log" </dev/null &
daemon=$!
tries=0
until grep -qs 'ready: ' "$dir/daemon.log"; do
	kill -0 "$daemon" 2>/dev/null || {
		cat "$dir/daemon.log" >&2
		fail "the daemon did not start"
	}
	tries=$((tries + 1))
	[ "$tries" -lt 600 ] || fail "the daemon is not ready after 60 s"
	sleep 0.1
done
sed 's/^/   /' "$dir/daemon.log"

step "2. Send $(commas "$events") events of $(commas "$sessions") sessions," \
	"from $senders processes at once"
i=0
while [ "$i" -lt "$senders" ]; do
	generate "$i" >"$dir/sent/$i.jsonl"
	i=$((i + 1))
done
cat "$dir"/sent/*.jsonl | head -n 2 | sed 's/^/   /'
echo "   ..."
pids=
i=0
while [ "$i" -lt "$senders" ]; do
	"$build/bufwriter" send --socket "$run/bufwriter.sock" \
		--timeout never <"$dir/sent/$i.jsonl" \
		>"$dir/sent/$i.log" 2>&1 &
	pids="$pids $!"
	i=$((i + 1))
done
lost=
for pid in $pids; do
	wait "$pid" || lost=yes
done
sed 's/^/   /' "$dir"/sent/*.log
[ -z "$lost" ] || fail "a sender could not send everything"

step "3. Stop the daemon: it files what it holds"
lines=$(wc -l <"$dir/daemon.log")
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
daemon=
tail -n "+$((lines + 1))" "$dir/daemon.log" | sed 's/^/   /'
[ "$status" = 0 ] || fail "the daemon ended with exit status $status"

step "4. Complete files, in $dir/files"
# shellcheck disable=SC2012 # for reading
ls -l "$dir/files" | tail -n +2 | awk '{ printf "   %s %10d %s\n", $1, $5, $NF }'

# The reader of the files puts the sessions together, in any language.
one=s$(printf %06d $((sessions / 2)))
step "5. Put session $one together again, from all files"
cat "$dir"/files/*.jsonl >"$dir/found"
cat "$dir"/sent/*.jsonl >"$dir/expected"
for what in found expected; do
	grep -F "\"session_id\":\"$one\"" "$dir/$what" |
		sed 's/.*"timestamp":\([0-9]*\).*/\1 &/' | sort -n |
		cut -d ' ' -f 2- >"$dir/$what.$one"
done
head -n 3 "$dir/found.$one" | sed 's/^/   /'
echo "   ... $(wc -l <"$dir/found.$one") events, from" \
	"$(grep -lF "\"session_id\":\"$one\"" "$dir"/files/*.jsonl |
		wc -l) files"
cmp -s "$dir/found.$one" "$dir/expected.$one" ||
	fail "session $one differs: see $dir/found.$one and expected.$one"

step "6. Compare everything"
sort "$dir/found" >"$dir/found.sorted"
sort "$dir/expected" >"$dir/expected.sorted"
sent=$(wc -l <"$dir/expected")
found=$(wc -l <"$dir/found")
whole=$(comm -12 "$dir/expected.sorted" "$dir/found.sorted" | wc -l)
echo "   sent $(commas "$sent") events, found $(commas "$found")," \
	"$(commas "$whole") of them the same byte for byte"
cmp -s "$dir/found.sorted" "$dir/expected.sorted" ||
	fail "there is a difference: see $dir/found.sorted, expected.sorted"
rm -f "$dir"/found* "$dir"/expected*
step "Every event is in exactly one file, whole."
