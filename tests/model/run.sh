#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks the models with Spin: the crash protocol (crash.pml), who uses an
# arena (lend.pml), lanes (lane.pml), and who wakes whom there (doorbell.pml).
#
#   run.sh                checks everything, exhaustively; minutes, 1.5 GB
#   run.sh lanes          checks the last two only
#   run.sh region         checks the first two only
#   run.sh trace BREAK    shows step by step how that daemon goes wrong
#                         (of crash.pml)
#
# BW_BUILD  where to work (build)
# CC        the compiler (cc)
#
# First the protocol of the daemon must hold.  Then each daemon of BREAKS, which
# does one thing in another order or not at all, must be caught, and for what it
# does wrong: a model that cannot fail proves nothing.
set -eu
cd "$(dirname "$0")"
model=$(pwd)
cd ../..
root=$(pwd)
cc=${CC:-cc}
mkdir -p "${BW_BUILD:-build}/model"
work=$(cd "${BW_BUILD:-build}/model" && pwd)

if ! command -v spin >/dev/null 2>&1; then
	echo "model: spin is not installed: apt-get install spin" \
		"(or make deps); nothing was checked"
	[ "${CI-}" != true ] || exit 1
	exit 0
fi

# NAME FOUND MACROS: what must be found in a daemon built with -DNAME
BREAKS='
COMMIT_BEFORE_CLAIM	doubled
COMMIT_BEFORE_COPY	invented
RELEASE_BEFORE_COMMIT	lost
CLAIM_NOT_ATOMIC	doubled
COMMIT_WITHOUT_TICKETS	doubled
CELL_IN_PLACE		doubled
RENAME_BEFORE_RECORD	doubled
RECORD_BEFORE_WRITE	torn
EMPTIED_BEFORE_RENAME	lost
UNLINK_BEFORE_RECORD	lost		-DFAILURES=1
RENAME_BELIEVED		doubled		-DFAILURES=1
SENTINEL_ZERO		refused
NEVER_NOTHING		invented
ARMED_BEFORE_NOTHING	refused
ARMED_UNRELEASED	refused
HEAD_BEFORE_METAS	refused
PUBLISHED_BEFORE_HEAD	refused
BUFFER_BEFORE_SLOT	refused		-DOVERFLOW
REFUSED_IN_META_ONLY	refused		-DOVERFLOW
RECOVERED_HEAD_FIRST	refused
RECOVERY_EMPTIES_FIRST	lost
RELEASED_AFTER_MESSAGES	doubled
FINAL_FILE_DECIDES	doubled
WRITE_AGAIN		doubled
HEADER_PLACE_ONLY	lost		-DSETTINGS_CHANGE
NAME_ERASED		refused		-DFAILURES=1
HEADERS_BEFORE_ARMED	invented
WISH_BEFORE_RELEASE	stuck
NO_SECOND_LOOK		stuck
BUSY_WAIT		endless
'

# The same, of lend.pml.
LEND_BREAKS='
GOES_ON_USING		shared
TAKEN_BACK		shared
NOT_GIVEN_BACK		stuck
BACK_BEFORE_STATE	stuck
SLEEPS_ANYWAY		stuck
FULL_NOT_TOLD		stuck
NO_DUE			stuck
STOP_SEEN_LATE		lost
'

# The same, of lane.pml: a daemon, or a library, or both.
LANE_BREAKS='
PUBLISHED_BEFORE_COPY	invented
SEAL_NOT_HEEDED		lost	-DCRASHES=0
REFUSED_KEPT		doubled	-DCRASHES=0
CLOSED_IS_REFUSED	doubled	-DCRASHES=0
REST_NOT_SENT		lost	-DCRASHES=1 -DSTOPS=0
ASK_ANY_TIME		doubled	-DCRASHES=1 -DSTOPS=0 -DSTORE -DCONNECTION_LOST
ASK_READ		doubled	-DCRASHES=1 -DSTOPS=0
CLOSE_NOT_SETTLED	lost	-DCRASHES=0 -DREFUSES
CLOSE_NOT_TAKEN		lost	-DCRASHES=1 -DSTOPS=0
CLAIM_NOT_EXCLUSIVE	doubled	-DCRASHES=0 -DSTOPS=0
READ_BEFORE_COMMIT	mixed	-DCRASHES=1 -DSTOPS=0 -DSTORE
POSITION_BEFORE_COMMIT	lost	-DCRASHES=1 -DSTOPS=0 -DSTORE
COMMIT_WITHOUT_POSITION	doubled	-DCRASHES=1 -DSTOPS=0 -DSTORE
POSITION_NOT_STORED	doubled	-DCRASHES=0 -DSTOPS=0
FREED_TOO_EARLY		lost	-DCRASHES=0 -DSTOPS=0
SNAPSHOT_BEFORE_SEAL	lost	-DCRASHES=0
CLOSED_BEFORE_ENTRY	doubled	-DCRASHES=1 -DSTORE
CLOSED_BEFORE_FINAL	doubled	-DCRASHES=0
RECOVERY_FILES_FIRST	doubled	-DCRASHES=1 -DSTOPS=0 -DSTORE
FOUND_BY_PLACE		lost	-DCRASHES=1 -DSTORE -DREOPEN
READ_NOT_RECOVERED	stuck	-DCRASHES=1 -DSTOPS=0 -DSTORE
TOLD_BEFORE_COPY	lost	-DCRASHES=1 -DREFUSES
COPY_NAMED_FIRST	invented	-DCRASHES=1 -DREFUSES
HANDED_CLOSED		lost	-DCRASHES=0 -DREFUSES
COPY_REMOVED_FIRST	lost	-DCRASHES=1 -DREFUSES
COPY_FROM_BEGIN		doubled	-DCRASHES=1 -DREFUSES
ENTRY_FREED		doubled	-DCRASHES=1 -DREFUSES
UNREAD_CLOSED		lost	-DCRASHES=0 -DREFUSES
NOT_HANDED_OVER		doubled	-DCRASHES=1 -DSTORE -DREFUSES -DUNANSWERED
'

# The same, of doorbell.pml.
DOORBELL_BREAKS='
NO_DOORBELL		stuck
NO_FENCE_WRITTEN	stuck
NO_FENCE_ASLEEP		stuck
NO_SECOND_LOOK		stuck
NO_FENCE_WAITERS	stuck	-DWORKERS=1 -DSIZE=1
NO_FENCE_READ		stuck	-DWORKERS=1 -DSIZE=1
WORD_LOADED_LATE	stuck	-DWORKERS=1 -DSIZE=1
NO_FENCE_PARKED		stuck
PARKS_ANYWAY		stuck
RUN_OUT			stuck
AWAKE_CLEARED_LATE	stuck
CLAIMED_IS_CALM		stuck
'

passed=0
failed=0
file=crash.pml

# ok WHAT STATUS: prints a result and counts it
ok() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $1"
	fi
}

# search NAME PAN-MACROS PAN-FLAGS MODEL-MACROS...: Spin's report in NAME.log
search() {
	name=$1
	pan=$2
	flags=$3
	shift 3
	rm -rf "${work:?}/$name"
	mkdir "$work/$name"
	(
		cd "$work/$name"
		spin -a "$@" "$model/$file"
		# shellcheck disable=SC2086 # words on purpose
		$cc -w -DMEMLIM=3500 -DNOFAIR $pan -o pan pan.c
		# shellcheck disable=SC2086
		./pan $flags
	) >"$work/$name.log" 2>&1 || :
}

# found NAME: prints what Spin found wrong: nothing, or a word for it
found() {
	if grep -q 'errors: 0$' "$work/$1.log" &&
		! grep -q -e 'Search not completed' -e 'too small' \
			-e 'out of memory' "$work/$1.log"; then
		echo nothing
	elif grep -q 'pan:1: invalid end state' "$work/$1.log"; then
		echo stuck
	elif grep -q 'pan:1: non-progress cycle' "$work/$1.log"; then
		echo endless
	else
		grep -o '|*[a-z]*) (at depth' "$work/$1.log" |
			sed -n 's/^||\([a-z]*\)).*/\1/p' | grep . ||
			echo error
	fi
}

# sum NAME: prints the numbers of Spin's report in one line
sum() {
	awk '/depth reached/ { sub(",", "", $6); depth = $6 }
		/states, stored/ { states = $1 }
		/transitions/ { steps = $1 }
		/total actual memory/ { mb = $1 }
		/elapsed time/ { s = $4 }
		END {
			printf "%.0f states, %.0f steps, depth %d, " \
				"%.0f MB, %.1f s\n", states, steps, depth, mb, s
		}' "$work/$1.log"
}

# holds NAME WHAT PAN-MACROS PAN-FLAGS MODEL-MACROS...: Spin must find nothing
holds() {
	name=$1
	what=$2
	shift 2
	search "$name" "$@"
	bad=$(found "$name")
	echo "$what"
	echo "    $(sum "$name")"
	status=0
	[ "$bad" = nothing ] || {
		status=1
		cat "$work/$name.log"
	}
	ok "$what: $bad" "$status"
	rm -rf "${work:?}/$name"
}

# seek NAME FOUND MACROS: searches breadth first, for a shortest trace; the
# models of lanes depth first, which finds more of their long traces
# shellcheck disable=SC2086 # words on purpose
seek() {
	case $file:$2 in
	lane.pml:* | doorbell.pml:*)
		search "$1" '-O2 -DSAFETY -DCOLLAPSE' '-m100000 -w22' "-D$1" $3
		;;
	*:endless) search "$1" '-DNP -DNOREDUCE' '-l -m40000' \
		-DDATAGRAMS=3 "-D$1" $3 ;;
	*) search "$1" '-DSAFETY -DBFS' '' -DDATAGRAMS=3 "-D$1" $3 ;;
	esac
}

# caught NAME FOUND MACROS: Spin must find that this daemon is broken
caught() {
	seek "$1" "$2" "${3-}"
	bad=$(found "$1")
	printf '    %-24s %-9s after %s\n' "$1" "$bad" "$(sum "$1")"
	status=0
	[ "$bad" = "$2" ] || status=1
	ok "$1 must be found to be $2" "$status"
	rm -rf "${work:?}/$1"
}

# Every function that a step names must be in that file of the daemon.
named() {
	cd "$root"
	status=0
	n=0
	list=$(cat "$model"/*.pml | grep -oE '(daemon|client)/[a-z_/]*\.[ch] [a-z_]*\(\)' |
		sort -u | tr ' ' ':')
	for at in $list; do
		name=${at#*:}
		grep -Eq "^([a-z].*[ *])?${name%()}\(" "${at%:*}" || {
			echo "the model names $name, which is not in ${at%:*}"
			status=1
		}
		n=$((n + 1))
	done
	echo "$n functions of the daemon are named in the model"
	ok "the model names what is there" "$status"
}

# Prints the steps of the trail, each with the comment above it and its changes.
trace() {
	line=$(echo "$BREAKS" | grep "^$1	") || {
		echo "no such break: $1; there are:" >&2
		echo "$BREAKS" | cut -f 1 >&2
		exit 2
	}
	# shellcheck disable=SC2086 # name, word and macros
	set -- $line
	seek "$1" "$2" "${3-}"
	echo "$1: $(found "$1")"
	cd "$work/$1"
	# shellcheck disable=SC2086
	spin -t -k crash.pml.trail -p -g -DDATAGRAMS=3 "-D$1" ${3-} \
		"$model/crash.pml" | awk '
	function comment(file, at,    line, n, text) {
		while ((getline line <file) > 0 && ++n <= at)
			if (line ~ /^\t\/\* /) {
				text = line
				gsub(/^\t\/\* | \*\/$/, "", text)
			}
		close(file)
		return text
	}
	# Print only the values that the step has changed.
	function show(    i, name, changes) {
		for (i = 1; i <= n; i++) {
			name = names[i]
			if (value[name] != before[name])
				changes = changes (changes ? ", " : "") name \
					" = " value[name]
			before[name] = value[name]
		}
		if (now)
			printf "%3d %-13s %s\n      %s\n", now, who, text, \
				changes
	}
	/^ *[0-9]+:\tproc/ {
		sub(":", "", $1)
		if ($1 == now)
			next
		show()
		now = $1
		who = substr($4, 2) == "worker:1)" ? \
			"worker " $3 - 1 : substr($4, 2)
		sub(":1\\)", "", who)
		split($5, at, ":")
		text = comment(at[1], at[2])
		next
	}
	/^\t\t[a-z_]+[^ ]* = / {
		if (!($1 in value))
			names[++n] = $1
		value[$1] = $3
	}
	/^spin: trail/ { show() }
	/^spin:/'
	exit
}

[ "${1-}" != trace ] || trace "${2-}"

# all_caught BREAKS
tab=$(printf '\t')
all_caught() {
	echo 'broken daemons, and what was found'
	while read -r name word macros; do
		[ -n "$name" ] || continue
		caught "$name" "$word" "$macros"
	done <<-END
	$(echo "$1" | tr -s "$tab" ' ')
	END
}
# The datagram's way.
datagrams() {
	holds once '2 workers, 3 slots, 6 datagrams, 2 crashes: exactly once' \
		"$all" '-m10000 -w26' -DDATAGRAMS=6
	holds overflow 'the same with 4 datagrams and 2 overflow buffers' \
		"$all" '-m10000 -w25' -DDATAGRAMS=4 -DOVERFLOW
	holds refuse 'the same, and one is above the limit of its sender' \
		"$all" '-m10000 -w25' -DDATAGRAMS=4 -DOVERFLOW -DREFUSE
	holds disk 'with 4 datagrams and a disk that refuses once' \
		"$all" '-m10000 -w25' -DDATAGRAMS=4 -DFAILURES=1
	holds settings 'with 4 datagrams and two starts with other settings' \
		"$all" '-m10000 -w25' -DDATAGRAMS=4 -DSETTINGS_CHANGE
	holds stuck 'with 4 datagrams: no run goes on for ever' \
		'-O2 -DNP -DNOREDUCE' '-l -m10000 -w25' -DDATAGRAMS=4
	all_caught "$BREAKS"

	file=lend.pml
	holds lend 'lending: 2 workers, 6 messages' "$all" '-m10000' \
		-DMESSAGES=6
	holds lent 'lending, 3 messages: no run goes on for ever' \
		'-O2 -DNP -DNOREDUCE' '-l -m10000' -DMESSAGES=3
	all_caught "$LEND_BREAKS"
}

# The way of a message through a lane.
lanes() {
	file=lane.pml
	holds lane 'a lane, 2 threads, 2 kills of the daemon, no store' \
		"$lane" '-m10000 -w24'
	holds stored 'the same with a descriptor store' \
		"$lane" '-m10000 -w24' -DSTORE
	holds unheld 'with a store that drops the connection, 1 kill' \
		"$lane" '-m10000 -w24' -DSTORE -DCONNECTION_LOST -DCRASHES=1
	holds clients 'two clients with a lane each, 1 kill' \
		"$lane" '-m10000 -w24' -DSTORE -DTWO_LANES -DCRASHES=1
	holds refusal 'a disk that refuses while the daemon stops, 1 kill' \
		"$lane" '-m10000 -w24' -DSTORE -DREFUSES -DCRASHES=1 \
		-DUNANSWERED
	holds copies 'the same without a store' \
		"$lane" '-m10000 -w24' -DREFUSES -DCRASHES=1
	holds twice 'two such stops, 1 kill, a message of each thread' \
		"$lane" '-m10000 -w24' -DSTORE -DREFUSES -DCRASHES=1 \
		-DSTOPS=2 -DMESSAGES=1
	holds again 'a lane for each message, with a store' \
		"$lane" '-m10000 -w22' -DSTORE -DREOPEN
	all_caught "$LANE_BREAKS"

	file=doorbell.pml
	holds doorbell 'the doorbell: 2 workers, 2 messages' \
		"$lane" '-m100000 -w24'
	holds room 'waiting for room: 1 worker, 3 messages' \
		"$lane" '-m100000 -w24' -DWORKERS=1 -DSIZE=1 -DMESSAGES=3
	all_caught "$DOORBELL_BREAKS"
}

all='-O2 -DSAFETY'
lane='-O2 -DSAFETY -DCOLLAPSE'
named
[ "${1-}" = lanes ] || datagrams
[ "${1-}" = region ] || lanes

echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
