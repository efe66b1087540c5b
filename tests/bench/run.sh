#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The benchmark: starts each contestant in turn, loads it, checks that every
# message arrived, and writes raw.csv, report.md and plots.  README.md beside
# this file says what is measured and how.
#
# One heat is one contestant, started fresh, under one load.  Rounds are
# interleaved (every contestant once, then again), so that a change of the
# machine's mood meets all of them, and the report uses medians.
#
# shellcheck disable=SC1091,SC2034,SC2154
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${BW_BUILD:=$here/../../build}"
mkdir -p "$BW_BUILD/bench"
BW_BUILD=$(cd "$BW_BUILD" && pwd)
export BW_BUILD
bin=$BW_BUILD/bench
deps=$bin/deps
: "${BENCH:=race}"
[ "$BENCH" != languages ] || exec "$here/languages.sh"
[ "$BENCH" != stitch ] || exec "$here/stitch.sh"
: "${BENCH_DIR:=/dev/shm}"
: "${BENCH_MESSAGES:=500000}"
: "${BENCH_QLEN:=512}"
: "${BENCH_SENDERS:=2}"
: "${BENCH_BYTES:=200}"
: "${BENCH_BYTES_MAX:=536870912}"
: "${BENCH_QUIET:=0}"
: "${BENCH_RESULTS:=$bin}"
case $BENCH in
quick) : "${BENCH_ROUNDS:=3}" ;;
control) : "${BENCH_ROUNDS:=15}" ;;
sweep) : "${BENCH_ROUNDS:=2}" ;;
*) : "${BENCH_ROUNDS:=5}" ;;
esac
qlen_file=/proc/sys/net/unix/max_dgram_qlen

# The queue length belongs to the network namespace.  A namespace of its own
# leaves the machine's setting alone, whatever happens to this script.
if [ "$(id -u)" -eq 0 ] && [ -z "${BENCH_INSIDE:-}" ] &&
    unshare -n true 2>/dev/null; then
	BENCH_INSIDE=1 exec unshare -n "$0" "$@"
fi

say() { echo "bench: $*" >&2; }

work=$(mktemp -d "$BENCH_DIR/bufwriter-bench.XXXXXX") || exit 1
work=$(cd "$work" && pwd)
state_dir=$work
if [ "$(stat -f -c %T "$work")" != tmpfs ] && [ -d /dev/shm ]; then
	state_dir=$(mktemp -d /dev/shm/bufwriter-bench.XXXXXX) || exit 1
fi
qlen_was=$(cat "$qlen_file")
cleanup() {
	[ "$(cat "$qlen_file")" = "$qlen_was" ] || echo "$qlen_was" >"$qlen_file"
	rm -rf "$work" "$state_dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

set_qlen() {
	{ echo "$1" >"$qlen_file"; } 2>/dev/null && return 0
	[ "$(cat "$qlen_file")" = "$1" ]
}

# shellcheck disable=SC2086
build() {
	cc=${CC:-cc}
	flags="-O2 -std=gnu11 -Wall -Wextra -Wshadow ${BENCH_CFLAGS:-}"
	for name in sender count heat crowd; do
		$cc $flags -o "$bin/$name" "$here/$name.c" || return 1
	done
	for name in discard writev; do
		$cc $flags -o "$bin/$name" "$here/$name.c" "$here/reader.c" ||
			return 1
	done
	[ "$BENCH" != lanes ] || build_callers
	triplet=$($cc -print-multiarch 2>/dev/null)
	command -v go >/dev/null || return 0
	(cd "$here/gochan" && GO111MODULE=off GOFLAGS='' \
		GOCACHE="$bin/gocache" go build -o "$bin/gochan" .) ||
		say "gochan does not build, left out"
}

# The programs of BENCH=lanes: one load, linked with each way to log.
# shellcheck disable=SC2086
build_callers() {
	$cc $flags -o "$bin/hostile" "$here/hostile.c" || return 1
	for name in bufwriter write; do
		libs=''
		[ $name = write ] || libs="$BW_BUILD/libbufwriter.a"
		$cc $flags -pthread -I"$here/../.." -o "$bin/caller-$name" \
			"$here/caller/caller.c" \
			"$here/caller/sink_$name.c" $libs || return 1
	done
	$cc $flags -c -o "$bin/caller.o" "$here/caller/caller.c" || return 1
	${CXX:-c++} -O2 -pthread -o "$bin/caller-spdlog" \
		"$here/caller/sink_spdlog.cc" "$bin/caller.o" -lspdlog \
		-lfmt 2>"$bin/spdlog.log" ||
		say "spdlog does not build (make bench-deps), left out"
	command -v go >/dev/null || return 0
	(cd "$here/gocaller" && GO111MODULE=off GOFLAGS='' \
		GOCACHE="$bin/gocache" go build -o "$bin/gocaller" .) ||
		say "gocaller does not build, left out"
}

. "$here/contestants.sh"

head="test,name,setting,round,senders,bytes,sent,failed,seconds,rate"
head="$head,rate_taken,p50,p99,p999,max,sender_cpu,preempted,cpu,cpu_rest,loop"
head="$head,others,voluntary,involuntary,rss_kb,anon_kb,shmem_kb,start_ms,stop_ms"
head="$head,unique,duplicate,broken,files,stored,foreign,steal,whole"

# From `sum of loop thread` and the rest out of "name:us;name:us".  The
# thread that has the program's name is the loop.
split_threads() {
	echo "$1" | tr ';' '\n' | awk -F: -v n="$2" '
		{ if (NR == 1) loop += $2; else others += $2 }
		END { printf "%.3f,%.3f", loop / n, others / n }'
}

# Share of the machine that others had during the heat: processes that are
# neither contestant nor sender, and the hypervisor.
foreign() {
	awk -v s="${1:-0}" -v n="$2" -v sender="${3:-0}" -v cpus="$(nproc)" \
		-v rest="$rest_us" -v all="$machine_us" -v steal="$steal_us" '
		BEGIN {
			room = s * cpus * 1e6
			other = all - rest - sender * n
			if (other < 0 || !room)
				other = 0
			printf "%.3f,%.3f", room ? other / room : 0,
				room ? steal / room : 0
		}'
}

# heat TEST NAME SETTING ROUND "SENDER OPTIONS" [DAEMON OPTION]...
# One line of raw.csv.  Loads: $senders, $bytes, $messages, or $load (a
# command) in place of a sender.  With BENCH_QUIET, a heat that others
# disturbed is run again, three times at most.
heat() {
	tries=1
	[ "$BENCH_QUIET" = 0 ] || tries=3
	work_load=${load:-}
	while :; do
		load=$work_load
		heat_once "$@" || return 1
		tries=$((tries - 1))
		if [ $tries -le 0 ] || [ "$whole" = no ] ||
		    ! disturbed "${shares%,*}" "${shares#*,}"; then
			break
		fi
	done
	echo "$line,$shares,$whole" | tr -d ' ' >>"$raw"
	say "$(printf '%-6s %-16s %-14s round %s %9s/s %6s us CPU  p99.9 %9s us  %s' \
		"$test" "$name" "$setting" "$round" "${rate:-0}" "${cpu%,*}" \
		"${p999:-0}" "$([ "$whole" = yes ] || echo "NOT WHOLE: $unique of \
$sent, $duplicate twice, $broken torn, $failed")")"
	[ "$whole" = yes ]
}

# More than 8 % of the machine went elsewhere.
disturbed() {
	awk -v f="$1" -v s="$2" 'BEGIN { exit !(f + s > 0.08) }'
}

# Decompresses the files for the count; prints how many bytes they had.
unpack() {
	find "$out" -name '*.zst' -printf '%s\n' |
		awk '{ n += $1 } END { printf "%d\n", n }'
	find "$out" -name '*.zst' -exec zstd -q -d --rm {} +
}

heat_once() {
	test=$1 name=$2 setting=$3 round=$4 extra=$5
	shift 5
	base=${name%%-*} variant=${name#*-}
	sock=$work/sock out=$work/out prefix='' load=${load:-}
	counter="'$bin/count' '$out'"
	rm -rf "$out" "$work/log" "$sock" && mkdir -p "$out" || exit 1
	"start_$base" "$@"
	[ "$load" ] || load="'$bin/sender' -n $senders -m $messages \
-s $bytes $extra -p '$prefix' \"\$SOCKET\" >'$work/sender.csv'"
	[ -z "$beside" ] || load="$beside & sleep 0.3
$load
kill \$!; wait"
	: >"$work/sender.csv"
	"$bin/heat" -s "$sock" -o "$work/log" -q "$BENCH_QUIET" -w "$load" \
		sh "$work/cmd" >"$work/heat" 2>"$work/heat.err"
	failed=$?
	load=''
	if ! grep -q '^cpu_us=' "$work/heat"; then
		say "$name $setting does not run: $(cat "$work/heat.err")"
		tail -n 3 "$work/log" | sed 's/^/bench:   /' >&2
		return 1
	fi
	. "$work/heat"
	sent=0 rate=0
	IFS=, read -r sent fails seconds rate taken p50 p99 p999 max scpu \
		preempted <"$work/sender.csv"
	packed=$(unpack) || exit 1
	[ -z "$unwanted" ] ||
		find "$out" -type f -exec sed -i "/^$unwanted/d" {} +
	eval "$counter" >"$work/count" || exit 1
	. "$work/count"
	[ "$packed" = 0 ] || stored=$packed
	whole=no
	[ "$failed" = 0 ] && [ "$unique" = "${sent:-0}" ] &&
		[ "$duplicate$broken" = 00 ] && whole=yes
	per=${sent:-0}
	[ "$per" -gt 0 ] || per=1
	cpu=$(awk "BEGIN { printf \"%.3f,%.3f\", $cpu_us / $per, $rest_us / $per }")
	line="$test,$name,$setting,$round,$senders,$bytes,${sent:-0}"
	line="$line,${fails:-0},${seconds:-0},${rate:-0},${taken:-0}"
	line="$line,${p50:-0},${p99:-0},${p999:-0},${max:-0},${scpu:-0}"
	line="$line,${preempted:-0}"
	line="$line,$cpu,$(split_threads "$threads" "$per"),$voluntary"
	line="$line,$involuntary,$rss_kb,$anon_kb,$shmem_kb,$start_ms,$stop_ms"
	line="$line,$unique,$duplicate,$broken,$files,$stored"
	shares=$(foreign "$seconds" "$per" "$scpu")
	# What runs beside it is on purpose, and not told from others.
	[ -z "$beside" ] || shares=0,${shares#*,}
}

# Those of the names given that can run; says why the others cannot.
present() {
	found=''
	for name in "$@"; do
		if why=$("have_${name%%-*}"); then
			found="$found $name"
		else
			say "without $name: $why"
			echo "$name: $why" >>"$missing"
		fi
	done
}

# Messages of $bytes that fit BENCH_BYTES_MAX and a third of the room.
fit_messages() {
	room=$(df -Pk "$work" | awk 'NR == 2 { printf "%.0f", $4 * 1024 / 3 }')
	messages=$(awk -v m="${1:-$BENCH_MESSAGES}" -v b="$bytes" \
		-v room="$room" -v max="$BENCH_BYTES_MAX" 'BEGIN {
			r = (room < max) ? room : max
			printf("%d", (m * b > r) ? r / b : m) }')
}

defaults() {
	senders=$BENCH_SENDERS bytes=$BENCH_BYTES points='' state=on load=''
	beside='' # a command that runs as long as the load
	unwanted='' # the beginning of messages that are not counted
	buffer=65536
	fit_messages
}

rounds() {
	round=0
	while [ $round -lt "$BENCH_ROUNDS" ]; do
		round=$((round + 1))
		"$@" $round
	done
}

DISCARD="discard-16 discard-64 discard-256"
paced='-l -c -r 100000'

# The race: rate and CPU without timing each send, then latency at full load,
# then latency at a pace.
race_round() {
	for name in $found; do
		defaults
		heat rate "$name" '' "$1" ''
		fit_messages $((BENCH_MESSAGES / 4))
		heat full "$name" '' "$1" -l
		fit_messages $((BENCH_MESSAGES / 5))
		heat paced "$name" '' "$1" "$paced"
	done
}
mode_race() {
	# shellcheck disable=SC2086
	present ${BENCH_ONLY:-$DISCARD writev bufwriterd gochan-1M gochan-8K \
		rsyslog syslog_ng socklog journald socat}
	rounds race_round
}

quick_round() {
	for name in $found; do
		defaults
		heat rate "$name" '' "$1" ''
	done
}
mode_quick() {
	# shellcheck disable=SC2086
	present ${BENCH_ONLY:-$DISCARD writev bufwriterd}
	rounds quick_round
}

# A processor for each sender, and where the kernel likes to have them.
paced_round() {
	for name in $found; do
		defaults
		fit_messages $((BENCH_MESSAGES * 3 / 5))
		heat paced "$name" '' "$1" "$paced"
		heat free "$name" '' "$1" '-l -r 100000'
	done
}
mode_paced() {
	# shellcheck disable=SC2086
	present ${BENCH_ONLY:-$DISCARD writev bufwriterd}
	rounds paced_round
}

state_round() {
	for which in on off; do
		defaults
		state=$which
		heat state bufwriterd "state=$which" "$1" ''
	done
}
mode_state() {
	present bufwriterd
	[ "$found" ] && rounds state_round
}

# The cost of asking who sends, and of a limit that nobody reaches.  Then the
# latency of senders at a pace, alone and beside a flood by another user, both
# under one limit.
senders_round() {
	for which in none identify rate; do
		defaults
		ask=no limit=0
		[ $which = none ] || ask=yes
		[ $which != rate ] || limit=1000000000
		heat senders bufwriterd "senders=$which" "$1" '' \
			-o senders.identify=$ask -o senders.rate=$limit
	done
	for which in alone beside; do
		defaults
		fit_messages $((BENCH_MESSAGES / 5))
		if [ $which = beside ]; then
			unwanted='flood '
			beside="setpriv --reuid=65534 --clear-groups \
'$work/sender' -n 1 -m 4000000000 -s $bytes -D -p '$unwanted' '$work/sock'"
		fi
		heat flood bufwriterd "flood=$which" "$1" '-l -r 20000' \
			-o socket.mode=0666 -o senders.identify=yes \
			-o senders.rate=25000
	done
}
mode_senders() {
	present bufwriterd
	need_program setpriv || return 1
	if [ "$(id -u)" -ne 0 ]; then
		say "only root can send as another user"
		return 1
	fi
	# For that user, too.
	chmod 711 "$work"
	cp "$bin/sender" "$work/sender"
	[ "$found" ] && rounds senders_round
}

# JSON events of 190 bytes, compressed or not.
zstd_round() {
	for which in none zstd; do
		defaults
		bytes=190
		heat zstd bufwriterd "compression=$which" "$1" -j \
			-o "files.compression=$which"
		fit_messages $((BENCH_MESSAGES / 5))
		heat paced bufwriterd "compression=$which" "$1" "-j $paced" \
			-o "files.compression=$which"
	done
}
mode_zstd() {
	present bufwriterd
	need_program zstd || return 1
	[ "$found" ] && rounds zstd_round
}

large_round() {
	for name in $found; do
		defaults
		bytes=32768
		fit_messages
		heat large "$name" '' "$1" ''
	done
}
mode_large() {
	present writev bufwriterd
	rounds large_round
}

# Nothing to do, after a little work, so that nothing is left to be touched
# for the first time.  voluntary + involuntary is what woke it.
idle_round() {
	defaults
	messages=0
	load='sleep 10'
	heat idle bufwriterd 'nothing' "$1" ''
}
mode_idle() {
	present bufwriterd
	[ "$found" ] && BENCH_ROUNDS=${BENCH_IDLE_ROUNDS:-1} rounds idle_round
}

# Flushes that take 200 ms, one worker at a time, against the same binary
# with the point passed over.
stall_round() {
	for which in none one; do
		defaults
		fit_messages $((BENCH_MESSAGES * 3 / 5))
		points='none=sleep:1'
		[ $which = one ] && points='flush.write=sleep:200@5;'`
			`'flush.write=sleep:200@20;flush.write=sleep:200@35'
		heat stall bufwriterd "stall=$which" "$1" "$paced"
	done
}
mode_stall() {
	present bufwriterd
	[ -x "$BW_BUILD/failpoints/bufwriterd" ] || {
		say "no $BW_BUILD/failpoints/bufwriterd"
		return 1
	}
	rounds stall_round
}

# The control socket in use: not at all; `status` each second; 1,000
# connections with bad commands, on a second, idle daemon (what the crowd costs
# the machine), and on the one that is measured (what it costs the daemon).
control_round() {
	for test in control paced; do
		for which in none status elsewhere flood; do
			defaults
			pace=''
			[ "$test" = control ] || {
				fit_messages $((BENCH_MESSAGES * 3 / 5))
				pace='-l -r 100000'
			}
			case $which in
			status | flood)
				beside="'$bin/crowd' $which '$work/control.sock'"
				;;
			elsewhere)
				beside="'$bin/crowd' flood '$work/elsewhere/control'"
				;;
			esac
			heat "$test" bufwriterd "control=$which" "$1" "$pace"
		done
	done
}
mode_control() {
	present bufwriterd
	[ "$found" ] || return 1
	mkdir -p "$work/elsewhere/files"
	"$BW_BUILD/bufwriterd" -o "socket.path=$work/elsewhere/sock" \
		-o "files.path=$work/elsewhere/files" -o state.path= \
		-o "control.path=$work/elsewhere/control" \
		2>"$work/elsewhere/log" &
	other=$!
	rounds control_round
	kill $other
	wait $other
}

# Four full arenas and a full ring, left by a killed daemon.
mode_recover() {
	present bufwriterd
	[ -x "$BW_BUILD/failpoints/bufwriterd" ] || {
		say "no $BW_BUILD/failpoints/bufwriterd"
		return 1
	}
	"$here/recover.sh" "$work/recover" "$BENCH_ROUNDS" \
		>"$results/recover.csv"
}

# Files to an rsync daemon on loopback, with and without the daemon's load.
mode_ship() {
	present bufwriterd
	ip link set lo up 2>/dev/null || {
		say "BENCH=ship needs ip(8) to use its own loopback"
		return 1
	}
	"$here/ship.sh" "$work/ship" "$BENCH_ROUNDS" >"$results/ship.csv" &&
		awk -f "$here/ship.awk" "$results/ship.csv"
}

# What a message costs the program that logs it.
mode_lanes() {
	present bufwriterd
	[ "$found" ] || return 1
	BENCH_MESSAGES=$BENCH_MESSAGES BENCH_BYTES=$BENCH_BYTES \
		BENCH_BYTES_MAX=$BENCH_BYTES_MAX \
		"$here/lanes.sh" "$work/lanes" "$BENCH_ROUNDS" \
		>"$results/lanes.csv"
}

# Twenty minutes of everything at once: does anything grow?
mode_soak() {
	present bufwriterd
	[ "$found" ] || return 1
	"$here/soak.sh" "$work/soak" "${BENCH_MINUTES:-20}" >"$results/soak.csv"
}

# One setting at a time, the others at their defaults.
sweep_round() {
	for b in 64 200 512 1024 4096 16384 65536; do
		defaults
		bytes=$b
		fit_messages
		heat size bufwriterd "$b" "$1" '-l'
		buffer=$((b > 2048 ? b : 2048))
		heat size writev "$b" "$1" '-l'
	done
	for n in 1 2 4 8 16; do
		defaults
		senders=$n
		heat senders bufwriterd "$n" "$1" '-l'
		heat senders discard-64 "$n" "$1" '-l'
	done
	for boost in 0 5 10 20; do
		for n in 2 16; do
			defaults
			senders=$n
			heat "boost$n" bufwriterd "$boost" "$1" '-l' \
				-o "socket.priority_boost=$boost"
		done
	done
	for size in 8K 32K 128K 512K 1M 4M 16M; do
		defaults
		heat arena bufwriterd "$size" "$1" '-l' -o "buffer.size=$size"
	done
	for n in 1 2 4 8; do
		defaults
		heat workers bufwriterd "$n" "$1" '-l' -o "buffer.workers=$n"
	done
	for n in 64 256 1024 4096 16384; do
		defaults
		heat queue bufwriterd "$n" "$1" '-l' \
			-o "buffer.queue_size=$n"
	done
	for n in 10 512 4096; do
		defaults
		set_qlen "$n" || continue
		heat qlen bufwriterd "$n" "$1" '-l'
		heat qlen discard-64 "$n" "$1" '-l'
	done
	set_qlen "$BENCH_QLEN"
}
mode_sweep() {
	present bufwriterd
	rounds sweep_round
}

# A hypervisor may not have given this machine all of its memory yet, and the
# first write to such a page costs several times as much.  So what a heat can
# write, twice, is written once before, where there is room for it.
warm_memory() {
	kib=$((BENCH_BYTES_MAX / 512))
	free=$(df -k --output=avail "$work" | tail -n 1)
	[ "$(stat -f -c %T "$work")" = tmpfs ] &&
		[ "$free" -gt $((2 * kib)) ] || return 0
	head -c "${kib}K" /dev/zero >"$work/warm"
	rm -f "$work/warm"
}

build || exit 1
warm_memory
results=$BENCH_RESULTS
[ "$BENCH" = race ] || results=$BENCH_RESULTS/$BENCH
mkdir -p "$results"
raw=$results/raw.csv missing=$results/missing.txt
: >"$missing"
set_qlen "$BENCH_QLEN" ||
	say "net.unix.max_dgram_qlen stays at $(cat "$qlen_file")," \
		"only root can set it to $BENCH_QLEN: the results depend on it"
qlen=$(cat "$qlen_file")
echo "$head" >"$raw"
case $BENCH in
race | quick | paced | state | senders | zstd | large | idle | stall | \
    control | recover | sweep | lanes)
	"mode_$BENCH"
	;;
soak)
	mode_soak
	exit
	;;
ship)
	mode_ship
	exit
	;;
*)
	say "BENCH=$BENCH: race quick paced state senders zstd large idle" \
		"stall control recover soak sweep ship lanes languages stitch"
	exit 2
	;;
esac
export BENCH BENCH_ROUNDS BENCH_MESSAGES BENCH_DIR results qlen
"$here/report.sh" || exit 1
# Ours must never lose one; what the others do is in the report.
! grep '^[^,]*,bufwriterd,' "$raw" | grep -q ',no$'
