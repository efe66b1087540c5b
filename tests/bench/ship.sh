#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How fast complete files go to a centre: `bufwriter ship` to an rsync daemon
# on loopback, and what a shipper costs the daemon.  Prints CSV lines:
#
#   small    10,000 files of 1 KiB             seconds, files a second
#   large    100 files of 1 MiB, shipper       seconds, MiB a second
#   bare     the same, one rsync without it    seconds, MiB a second
#   alone    the daemon's load, no shipper     messages a second, p99.9 in us
#   shipped  the same while a shipper works    messages a second, p99.9 in us
#   behind   as alone, 100,000 files wait      messages a second, p99.9 in us
#   away     as behind, the shipper finds no centre
#   back     as behind, the shipper finds the centre again
#   first    100,000 files wait                seconds until the first run
#
# The kinds take turns in each round.
#
# Usage: ship.sh DIRECTORY ROUNDS; from run.sh, in a network namespace of its
# own, with BW_BUILD set
set -eu
dir=$1
rounds=$2
bin=$BW_BUILD/bench
port=8873
server=
daemon=
shipper=
end() {
	for pid in $shipper $daemon $server; do
		kill "$pid" 2>/dev/null || :
	done
	wait
}
trap end EXIT

mkdir -p "$dir/centre/in"
printf '%s\n' 'use chroot = no' "port = $port" 'address = 127.0.0.1' \
	'log file = /dev/null' 'socket options = TCP_NODELAY' '[edge]' \
	"path = $dir/centre" 'read only = no' "uid = $(id -u)" \
	"gid = $(id -g)" >"$dir/rsyncd.conf"
# In life the centre is another machine.  Here it gets idle time only.
chrt -i 0 rsync --daemon --no-detach --config="$dir/rsyncd.conf" &
server=$!

url=rsync://127.0.0.1:$port/edge/in
options="-ofiles.path=$dir/files -ocontrol.path=$dir/control
	-ostate.path=$dir/state -osocket.path=$dir/sock
	-oship.destination=$url/%H/ -oship.interval=100ms"

now_us() {
	echo $(($(date +%s%N) / 1000))
}

# make COUNT BYTES: complete files
make() {
	rm -rf "$dir/files" "$dir/centre/in"
	mkdir -p "$dir/files" "$dir/centre/in"
	head -c $(($1 * $2)) /dev/urandom |
		(cd "$dir/files" && split -a 5 -b "$2" -d - 0_7_17955970420000)
}

# timed NAME AMOUNT COMMAND...: prints a line
timed() {
	name=$1 amount=$2
	shift 2
	began=$(now_us)
	"$@" >"$dir/log" 2>&1 || {
		cat "$dir/log" >&2
		exit 1
	}
	ended=$(now_us)
	[ -z "$(ls -A "$dir/files")" ] || {
		echo "ship.sh: $name: files are left" >&2
		exit 1
	}
	awk -v n="$name" -v a="$amount" -v us=$((ended - began)) \
		'BEGIN { printf "%s,%.3f,%.1f\n", n, us / 1e6, a * 1e6 / us }'
}

bare() {
	(cd "$dir/files" && printf '%s\0' * |
		rsync -a --whole-file --fsync --remove-source-files \
			--sockopts=TCP_NODELAY --from0 --files-from=- ./ \
			"$url/bare/")
}

# backlog: 100,000 files of a host whose centre was away
backlog() {
	make 100000 64
}

# first: how long a shipper that starts beside a backlog takes to its first run
first() {
	backlog
	printf '%s\n' '#!/bin/sh' "date +%s%N >$dir/began" 'exit 75' \
		>"$dir/command"
	chmod +x "$dir/command"
	rm -f "$dir/began"
	began=$(now_us)
	# shellcheck disable=SC2086 # words
	"$BW_BUILD/bufwriter" ship --quiet $options \
		-o "ship.command=$dir/command %H" 2>/dev/null &
	shipper=$!
	until [ -s "$dir/began" ]; do
		sleep 0.01
	done
	ended=$(($(cat "$dir/began") / 1000))
	kill "$shipper"
	wait "$shipper" || :
	shipper=''
	awk -v us=$((ended - began)) 'BEGIN { printf "first,%.3f,0\n", us / 1e6 }'
}

# load NAME: the daemon's rate and the senders' p99.9 at half of it
load() {
	rm -rf "$dir/files" "$dir/state"
	mkdir -p "$dir/files"
	where=
	case $1 in
	behind | back) backlog ;;
	away)
		backlog
		# nothing listens there
		where=-oship.destination=rsync://127.0.0.1:1/edge/in/%H/
		;;
	esac
	# shellcheck disable=SC2086 # words
	"$BW_BUILD/bufwriterd" $options -o buffer.timeout=never 2>"$dir/log" &
	daemon=$!
	until grep -q ' ready: ' "$dir/log"; do
		kill -0 "$daemon"
	done
	case $1 in
	shipped | away | back)
		# shellcheck disable=SC2086 # words
		nice -n 10 "$BW_BUILD/bufwriter" ship --quiet $options $where \
			2>/dev/null &
		shipper=$!
		;;
	esac
	rate=$("$bin/sender" -n 2 -m 1000000 -s 200 "$dir/sock" | cut -d, -f5)
	tail=$("$bin/sender" -n 2 -m 400000 -r 200000 -s 200 -l "$dir/sock" |
		cut -d, -f8)
	echo "$1,$rate,$tail"
	for pid in $shipper $daemon; do
		kill "$pid"
		wait "$pid" || :
	done
	shipper='' daemon=''
}

once() {
	# shellcheck disable=SC2086 # words
	"$BW_BUILD/bufwriter" ship --quiet --once $options
}

round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	make 10000 1024
	timed small 10000 once
	make 100 1048576
	timed large 100 once
	make 100 1048576
	timed bare 100 bare
	load alone
	load shipped
	load behind
	load away
	load back
	first
done
