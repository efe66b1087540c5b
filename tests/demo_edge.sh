#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Shows the way from many hosts to one centre, each file once.  Each host is a
# directory here, with a real bufwriterd and a real `bufwriter ship`; the centre
# has the rsync daemon and the mover of systemd/centre.  While events of many
# sessions are sent, SIGKILL hits daemons, shippers, rsync on both sides and the
# mover, and for a while the centre is away.  At the end every event has to be
# at the centre once, and every session whole.
#
# It needs rsync, and no root, and changes nothing outside of
# $BW_BUILD/demo-edge.
#
# HOSTS, EVENTS, SESSIONS  how many (20, 60000, a session for 30 events)
# SENDING, OUTAGE          seconds of sending, and of the outage in it (20, or
#                          one for each host if these are more; 5)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${BW_BUILD:-build}" && pwd)
hosts=${HOSTS:-20}
events=${EVENTS:-60000}
sessions=${SESSIONS:-$((events / 30))}
sending=${SENDING:-$((hosts > 20 ? hosts : 20))}
outage=${OUTAGE:-5}
# One machine is all the hosts here.  What costs it something is not the events
# but each process that starts: a sender, an rsync with its two halves at the
# centre, the mover's tools.  So many hosts send, ship and move less often.
every=$((hosts / 25 + 1))
interval=$((hosts / 8 > 1 ? hosts / 8 : 1))
moving=$((hosts / 25 + 1))
forced=$((hosts / 30 + 1))
# Nor is an rsync dead that a busy machine holds up: each one that is given up
# begins again, and makes the machine busier.
patience=$((hosts > 20 ? hosts / 4 : 5))
dir=$build/demo-edge
# The path of a socket has 107 bytes at most, and the state region belongs on
# a tmpfs.
run=$(mktemp -d "${XDG_RUNTIME_DIR:-/dev/shm}/bufwriter-demo.XXXXXX" \
	2>/dev/null || mktemp -d "${TMPDIR:-/tmp}/bufwriter-demo.XXXXXX")
keepers=
server=
centre="$here/../systemd/centre/bufwriter-centre -c $dir/centre/conf"

step() { printf '\n%s\n' "$*"; }

fail() {
	echo "demo-edge: $*" >&2
	exit 1
}

# commas NUMBER: 100000 -> 100,000
commas() {
	echo "$1" | sed -e ':a' -e 's/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta'
}

# below PID: sets `list` to its children
below() {
	list=
	read -r list 2>/dev/null <"/proc/$1/task/$1/children" || :
}

# die PID...: and their children, and theirs; parents first, because some of
# them start a child again
die() {
	while [ $# -gt 0 ]; do
		below "$1"
		kill -9 "$1" 2>/dev/null || :
		# shellcheck disable=SC2086 # a list
		die $list
		shift
	done
}

cleanup() {
	# shellcheck disable=SC2086 # lists
	die $keepers $server
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

command -v rsync >/dev/null || fail "rsync is not installed"
[ -r "/proc/$$/task/$$/children" ] ||
	fail "this kernel does not list the children of a process"
rm -rf "$dir"
mkdir -p "$dir/sent" "$dir/centre/root"
names=$(seq -f 'edge%03g' 1 "$hosts")

# --- the centre --------------------------------------------------------------

# answers [COMMAND]: the kit's rsync daemon does; not, if COMMAND succeeds before
answers() {
	tries=0
	until rsync --contimeout=5 "rsync://127.0.0.1:$port/" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || return 1
		! "${1:-false}" || return 1
		sleep 0.1
	done
	! "${1:-false}"
}

# is_taken: another program has the port; rsync says that it listens before it
# tries to
is_taken() {
	grep -qs "unable to bind any inbound sockets on port $port" \
		"$dir/centre/rsyncd.log" "$dir/centre/serve.log"
}

serve() {
	: >"$dir/centre/rsyncd.log"
	SERVE_TIMEOUT=$((2 * patience)) "$here/centre/serve.sh" "$dir/centre" "$port" \
		2>>"$dir/centre/serve.log" &
	server=$!
}

start_centre() {
	cat >"$dir/centre/conf" <<-CONF
		root = $dir/centre/root
		interval = ${moving}s
		secrets = $dir/centre/secrets
		metrics_file = $dir/centre/numbers
	CONF
	for name in $names; do
		$centre add "$name" >/dev/null
	done
	port=$((20000 + $$ % 20000))
	serve
	while ! answers is_taken; do
		die "$server"
		port=$((port + 1))
		[ "$port" -lt 60000 ] || fail "no port is free"
		serve
	done
	# shellcheck disable=SC2086 # words
	"$build/tests/centre/keep" "$run/mover.pid" $centre run \
		2>>"$dir/centre/mover.log" &
	keepers="$keepers $!"
}

# --- a host ------------------------------------------------------------------

# The command is the default one, but for the time: half of an rsync that was
# killed says nothing, and the demo does not wait for a minute.
start_host() {
	mkdir -p "$run/$1" "$dir/$1/files"
	sed -n "s/^$1://p" "$dir/centre/secrets" >"$dir/$1/password"
	chmod 0600 "$dir/$1/password"
	cat >"$dir/$1/command" <<-COMMAND
		exec rsync -a --whole-file --fsync --timeout=$patience \\
		    --remove-source-files --contimeout=20 \\
		    --backup --suffix=.0123abcd~ --modify-window=-1 \\
		    --sockopts=TCP_NODELAY --compare-dest=/done/$1 \\
		    --password-file=$dir/$1/password --from0 --files-from=- \\
		    ./ rsync://$1@127.0.0.1:$port/bufwriter/in/$1/
	COMMAND
	cat >"$dir/$1/bufwriter.ini" <<-INI
		[socket]
		path = $run/$1/sock
		max_message = 4K
		[lanes]
		path = $run/$1/lanes
		count = 4
		[buffer]
		workers = 2
		size = 256K
		queue_size = 256
		timeout = never
		forced = ${forced}s
		[files]
		path = $dir/$1/files
		suffix = .jsonl
		[state]
		path = $run/$1/state
		[control]
		path = $run/$1/control
		[ship]
		command = sh $dir/$1/command %H
		interval = ${interval}s
	INI
	"$build/tests/centre/keep" -s "$run/$1/sock" -l "$run/$1/lanes" \
		"$run/$1/daemon.pid" \
		"$build/bufwriterd" -c "$dir/$1/bufwriter.ini" \
		2>>"$dir/$1/daemon.log" &
	daemons="$daemons $!"
	"$build/tests/centre/keep" "$run/$1/ship.pid" \
		"$build/bufwriter" ship -c "$dir/$1/bufwriter.ini" \
		>>"$dir/$1/ship.log" 2>&1 &
	shippers="$shippers $!"
}

# Sends the events of a host in parts, one each $every seconds.  Hosts do not
# send at the same moment.
send() {
	lines=$(wc -l <"$dir/sent/$1")
	parts=$((sending / every))
	number=$((1${1#edge} - 1000))
	sleep "$((number % every)).$((number % 10))"
	for _ in $(seq 1 "$parts"); do
		head -n $((lines / parts + 1)) |
			"$build/bufwriter" send --quiet --timeout never \
				--socket "$run/$1/sock" || exit
		sleep "$every"
	done <"$dir/sent/$1"
}

# The sessions take turns, and the events of each go from host to host.
generate() {
	awk -v hosts="$hosts" -v events="$events" -v sessions="$sessions" \
		-v dir="$dir/sent" 'BEGIN {
		split("open view scroll click search close", action, " ")
		start = 1767225600000
		for (i = 0; i < events; i++) {
			session = i % sessions
			n = int(i / sessions)
			file = sprintf("%s/edge%03d", dir, (session + n) % hosts + 1)
			printf "{\"session_id\":\"s%06d\",\"timestamp\":%.0f,", \
				session, start + i * 7 >file
			printf "\"event\":\"%s\",\"n\":%d}\n", \
				action[n % 6 + 1], n >file
		}
	}'
}

# --- SIGKILL -----------------------------------------------------------------

# hit KIND PID...: kills one of them, and notes it
hit() {
	kind=$1
	shift
	[ $# -gt 0 ] || return 0
	shift $((chance % $#))
	# 0: that one has no number yet; to kill(1) it is all of us
	[ "${1:-0}" != 0 ] || return 0
	if kill -9 "$1"; then
		echo "$kind" >>"$run/killed"
	fi
}

# of FILE: sets `pid` to the number in it
of() {
	pid=0
	read -r pid <"$run/$1" || :
}

# The first host from a random one on whose shipper runs rsync.
hit_rsync() {
	for name in "$@"; do
		of "$name/ship.pid"
		below "$pid"
		# shellcheck disable=SC2086 # a list
		[ -z "$list" ] || { hit edge_rsync $list && return; }
	done
}

# The rsync daemon, or the two processes of a connection.
hit_centre() {
	of server
	below "$pid"
	daemon=$list
	below "${daemon% }"
	all="$daemon $list"
	for half in $list; do
		below "$half"
		all="$all $list"
	done
	# shellcheck disable=SC2086 # a list
	hit centre_rsync $all
}

# No process is started here but for the pause, so that a busy machine is hit as
# often as an idle one.
kill_some() {
	: >"$run/killed"
	od -An -v -w6 -tu2 /dev/urandom | while read -r kind which chance; do
		[ ! -e "$run/enough" ] || break
		# shellcheck disable=SC2086 # a list
		set -- $names $names
		shift $((which % hosts))
		case $((kind % 5)) in
		0) of "$1/daemon.pid" && hit daemon "$pid" ;;
		1) of "$1/ship.pid" && hit shipper "$pid" ;;
		2) hit_rsync "$@" ;;
		3) hit_centre ;;
		4)
			of mover.pid
			below "$pid"
			# shellcheck disable=SC2086 # a list
			hit mover "$pid" $list
			;;
		esac
		sleep 0.2
	done
}

# --- the end -----------------------------------------------------------------

waiting() {
	find "$dir"/edge*/files "$dir/centre/root/in" \
		"$dir/centre/root/state/work" -type f ! -name '.*' | wc -l
}

# One line for each event at the centre, sorted by session and time; then each
# session has to count from 0, without a gap and without a repetition.  Prints
# how many events there are, how many of them once, how many lines too many, and
# how many sessions are whole.
count() {
	find "$dir/centre/root/done" -type f ! -name '.*' -exec cat '{}' + |
		sed 's/.*"session_id":"\([^"]*\)","timestamp":\([0-9]*\),.*"n":\([0-9]*\)}$/\1 \2 \3/' |
		LC_ALL=C sort -k 1,1 -k 2,2n |
		awk -v events="$events" -v sessions="$sessions" '
		function close_session() {
			if (id != "" && good && next_n == want())
				whole++
		}
		function want() {
			return int((events - 1 - substr(id, 2)) / sessions) + 1
		}
		{
			total++
		}
		$0 == last {
			again++
			if (!repeated)
				twice++
			repeated = 1
			good = 0
			next
		}
		{
			distinct++
			repeated = 0
			last = $0
		}
		$1 != id {
			close_session()
			id = $1
			next_n = 0
			good = 1
		}
		$3 != next_n++ {
			good = 0
		}
		END {
			close_session()
			print total + 0, distinct - twice, again + 0, whole + 0
		}'
}

killed() { grep -c "^$1\$" "$run/killed" || :; }

daemons=
shippers=
step "1. Start a centre, and $hosts hosts with a daemon and a shipper each"
start_centre
for name in $names; do
	start_host "$name"
done
keepers="$keepers $daemons $shippers"
echo "$server" >"$run/server"

step "2. Send $(commas "$events") events of $(commas "$sessions") sessions" \
	"for $sending seconds, while SIGKILL hits everything"
generate
kill_some 2>/dev/null &
killer=$!
keepers="$keepers $killer"
senders=
for name in $names; do
	send "$name" &
	senders="$senders $!"
done
sleep $((sending / 3))
# A kill that hits it before it listens would end it for good.
echo 0 >"$run/server"
die "$server"
sleep "$outage"
serve
answers || fail "the centre's rsync daemon does not come back"
echo "$server" >"$run/server"
for pid in $senders; do
	wait "$pid" || fail "a sender could not send everything"
done
touch "$run/enough"
wait "$killer" || :

step "3. Stop the daemons, and wait until all files are at the centre"
# shellcheck disable=SC2086 # a list
kill $daemons
for pid in $daemons; do
	wait "$pid" || fail "a daemon ended with exit status $?, see $dir/*/daemon.log"
done
tries=0
until [ "$(waiting)" = 0 ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 600 ] || fail "$(waiting) files still wait"
	sleep 1
done

step "4. Put the sessions together again, from all files"
files=$(find "$dir/centre/root/done" -type f ! -name '.*' | wc -l)
# shellcheck disable=SC2046 # four numbers
set -- $(count)
cat <<SUMMARY
   killed                daemons $(killed daemon), shippers $(killed shipper), rsync at hosts $(killed edge_rsync),
                         rsync at the centre $(killed centre_rsync), mover $(killed mover)
   centre away           $outage s
   events sent           $(commas "$events")
   events at the centre  $(commas "$1"), in $(commas "$files") files
   each once             $(commas "$2")
   too many              $(commas "$3")
   sessions whole        $(commas "$4") of $(commas "$sessions")
SUMMARY
[ "$1 $2 $3 $4" = "$events $events 0 $sessions" ] ||
	fail "something is missing or there twice, see $dir"
step "Every event is at the centre once, and every session is whole."
