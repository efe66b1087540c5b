#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs as a service of the booted tree; see run.sh.  Each test sends numbered
# lines, and at its end every line has to be in exactly one file.
set -u

share=/check
work=/var/tmp/check
files=/var/log/bufwriter
passed=0
failed=0
mkdir -p "$work"
exec >>"$share/result" 2>&1
cd "$work" || exit 1

# check TEXT COMMAND...: a test passes if the command succeeds
check() {
	local text=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok      $text"
	else
		failed=$((failed + 1))
		echo "FAILED  $text ($*)"
	fi
}

equal() {
	[ "$1" = "$2" ] || {
		echo "        is '$1', should be '$2'"
		return 1
	}
}

# A deadline turns a hang into a failure, and measures nothing: beside a build a
# boot or a start takes many times as long as on an idle machine.
patience=10

# within SECONDS COMMAND...: succeeds once the command does, in time; the seconds
# are those of an idle machine
within() {
	local end=$((SECONDS + $1 * patience))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

show() {
	systemctl show --value -p "$1" "${2:-bufwriter.service}"
}

package() {
	dpkg "$@" >>"$share/dpkg.log" 2>&1
}

# shellcheck disable=SC2120 # the plain service, or another unit
is_active() {
	systemctl is-active -q "${1:-bufwriter.service}"
}

journal_has() {
	journalctl -q --no-pager -u bufwriter.service | grep -q -e "$1"
}

ended_with() {
	[ "$(show ExecMainStatus)" = "$1" ]
}

# --- senders ---------------------------------------------------------------

# A few thousand lines a second, which go as datagrams.
slow() {
	local n=0

	while [ ! -e stop ]; do
		for ((i = 0; i < 100; i++)); do
			echo "$1 $((n++)) $RANDOM"
		done
		sleep 0.03
	done
}

# So many at a time that the sender takes a lane, and again when it lost that.
fast() {
	local n=0

	while [ ! -e stop ]; do
		seq -f "$1 %.0f" "$n" "$((n + 2999))"
		n=$((n + 3000))
		sleep 0.1
	done
}

# More than the daemon has memory for, and then nothing.
wide() {
	seq -f "$1 %0290.0f" 24000
	until [ -e stop ]; do sleep 0.1; done
}

# start NAME [TIMEOUT [LINES]]: sends the lines of this function, until stop_all
start() {
	(
		"${3:-slow}" "$1" | tee "sent.$1" |
			bufwriter send --quiet --timeout "${2:-never}" \
				>"said.$1" 2>&1
		echo "$?" >"status.$1"
	) &
	senders+=" $!"
	names+=" $1"
}

stop_all() {
	touch stop
	# shellcheck disable=SC2086 # a list
	wait $senders
	rm stop
	for name in $names; do
		check "sender $name saw no error" \
			equal "$(cat "status.$name" "said.$name")" 0
	done
	senders=
	names=
}
senders=
names=

# once NAME COUNT: sends COUNT lines at once
once() {
	seq -f "$1 %.0f" "$2" >"sent.$1"
	bufwriter send --quiet --timeout 10s <"sent.$1"
}

# A signal that arrives before the process has become the daemon would end it
# at each start.
all_filed() {
	# shellcheck disable=SC2119 # the plain service
	is_active && systemctl kill --kill-who=main -s USR1 bufwriter.service 2>/dev/null
	[ "$(cat "$files"/*.log 2>/dev/null | wc -l)" -ge \
		"$(cat sent.* | wc -l)" ]
}

# True if every line that was sent is in exactly one file.
account() {
	within "${1:-20}" all_filed
	cat sent.* | sort >expected
	cat "$files"/*.log | sort >found
	echo "        sent $(wc -l <expected), found $(wc -l <found) lines"
	cmp -s expected found || {
		echo "        lost:    $(comm -23 expected found | head -n 3)"
		echo "        doubled: $(comm -13 expected found | head -n 3)"
		return 1
	}
}

# open_lanes: how many there are
open_lanes() {
	bufwriter metrics | sed -n 's/^bufwriter_lanes_open{.*} //p'
}

# lanes COUNT: there are so many, or more
lanes() {
	[ "$(open_lanes 2>/dev/null)" -ge "$1" ] 2>/dev/null
}

no_lane() {
	[ "$(open_lanes)" = 0 ]
}

# Forgets the lines and files so far.
clean() {
	rm -f sent.* said.* status.* "$files"/*.log
}

# --- tests -----------------------------------------------------------------

install_and_activate() {
	echo "1. A new package, the socket enabled, a first message"
	check "the package installs" package -i "$share"/old.debs/*.deb
	check "nothing runs before it is asked to" \
		equal "$(show ActiveState bufwriter.socket)" inactive
	systemctl enable -q --now bufwriter.socket
	check "the socket listens, the daemon waits" \
		equal "$(show ActiveState bufwriter.socket) $(show ActiveState)" \
		"active inactive"
	check "the socket is for its group" equal \
		"$(stat -c %U:%G:%a /run/bufwriter.sock)" root:bufwriter:660
	once first 10
	check "the message starts the daemon" within 5 is_active
	check "every message is filed" account
	check "files have their owner and mode" equal \
		"$(stat -c %U:%G:%a "$files"/*.log | sort -u)" \
		bufwriter:bufwriter:400
	check "the daemon is ahead of its senders" equal \
		"$(cut -d ' ' -f 19 "/proc/$(show MainPID)/stat")" -5
	check "which is as it wants it" \
		eval '! journalctl -q -u bufwriter.service | grep -q "nice value"'
	check "no warning of a short queue" \
		equal "$(journalctl -q -u bufwriter.service -p warning)" ""
	clean
}

under_load() {
	echo "2. Restarts, kills and an upgrade under load"
	start a
	start b
	start c 10s
	start d never fast
	start e never fast
	check "two senders have lanes" within 5 lanes 2
	for ((k = 0; k < 10; k++)); do
		systemctl restart bufwriter.service
		sleep 0.2
	done
	check "ten restarts, and it runs" within 5 is_active
	check "the lanes are there again" within 5 lanes 2
	for ((k = 0; k < 5; k++)); do
		systemctl stop -q bufwriter.service
		systemctl start bufwriter.service
		sleep 0.2
	done
	check "five times stopped and started, and it runs" within 5 is_active
	check "the lanes are there again" within 5 lanes 2
	for ((k = 0; k < 20; k++)); do
		systemctl kill -s KILL bufwriter.service
		sleep 0.3
	done
	check "twenty kills, and it runs" within 5 is_active
	check "a killed daemon's lanes went on" within 5 \
		journal_has 'lanes: [2-9] go on where the process before left'
	check "the lanes are there still" within 5 lanes 2
	check "the socket never closed" \
		equal "$(show ActiveState bufwriter.socket)" active
	before=$(show MainPID)
	check "a higher version installs" package -i "$share"/new.debs/*.deb
	check "the upgrade started the new daemon" \
		test "$before" != "$(show MainPID)"
	check "the lanes are there again" within 5 lanes 2
	sleep 0.5
	stop_all
	check "every message is in exactly one file" account
	check "no lane is left" within 5 no_lane
	clean
}

# To systemd, a stopped daemon looks like a deadlock.
watchdog() {
	echo "3. A daemon that hangs"
	mkdir -p /etc/systemd/system/bufwriter.service.d
	printf '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n' \
		>/etc/systemd/system/bufwriter.service.d/check.conf
	systemctl daemon-reload
	systemctl restart bufwriter.service
	start hung
	start lane never fast
	check "a sender has a lane" within 5 lanes 1
	sleep 0.5
	before=$(show MainPID)
	systemctl kill -s STOP bufwriter.service
	# shellcheck disable=SC2119 # the plain service
	other_pid() { is_active && [ "$(show MainPID)" != "$before" ]; }
	check "the watchdog starts another one" within 15 other_pid
	stop_all
	check "every message is in exactly one file" account
	rm -r /etc/systemd/system/bufwriter.service.d
	systemctl daemon-reload
	systemctl restart bufwriter.service
	clean
}

# buffer.stop_timeout limits a stop, whatever the unit says.
long_stop() {
	local ini=/etc/bufwriter/bufwriter.ini drop=/run/systemd/system

	drop=$drop/bufwriter.service.d
	mkdir -p "$drop"
	printf '[Service]\nTimeoutStopSec=1\n' >"$drop/stop.conf"
	cp "$ini" "$ini.good"
	printf '\n[buffer]\nstop_timeout = 5s\n' >>"$ini"
	systemctl daemon-reload
	systemctl reload bufwriter.service
	systemctl stop -q bufwriter.service
	# The message that waits in the socket may have started the next one.
	check "a stop is given its time" \
		within 5 journal_has 'status=75/TEMPFAIL'
	check "what is left in a lane is copied" \
		test -s "$(echo /run/bufwriter/state.lane-*)"
	mv "$ini.good" "$ini"
	rm -r "$drop"
	systemctl daemon-reload
	systemctl start bufwriter.service --no-block
}

full_disk() {
	local ini=/etc/bufwriter/bufwriter.ini

	echo "4. A full disk"
	systemctl stop -q bufwriter.socket bufwriter.service
	mount -t tmpfs -o size=16m,mode=0750,uid=bufwriter,gid=bufwriter \
		tmpfs "$files"
	cp "$ini" "$ini.plain"
	# what waits for the start is not dropped either
	printf '\n[buffer]\ntimeout = never\n' >>"$ini"
	systemctl start bufwriter.socket
	head -c 16m /dev/zero >"$files/.filler" 2>/dev/null
	once disk 20000
	start lane never wide
	check "it says so" within 15 journal_has 'No space left'
	check "a sender has a lane" within 5 lanes 1
	if bufwriter status --help >/dev/null 2>&1; then
		check "status --check says so too" \
			eval '! bufwriter status --check >/dev/null'
	fi
	check "it stays up" is_active
	long_stop
	rm "$files/.filler"
	touch stop
	check "with space everything is filed" account 60
	check "and no copy is left" equal \
		"$(ls -d /run/bufwriter/state.lane-* 2>/dev/null)" ""
	stop_all
	mv "$ini.plain" "$ini"
	systemctl stop -q bufwriter.socket bufwriter.service
	umount "$files"
	systemctl start bufwriter.socket
	clean
}

broken_settings() {
	echo "5. A broken settings file"
	ini=/etc/bufwriter/bufwriter.ini
	cp "$ini" "$ini.good"
	once before 5
	within 5 is_active
	printf '\n[files]\ncolour = blue\n' >>"$ini"
	pid=$(show MainPID)
	# It belongs to a package on which nothing here depends.
	rm -f /bin/kill
	systemctl reload bufwriter.service
	check "a reload names the key" within 5 journal_has 'colour'
	check "and goes on with the old ones" equal "$(show MainPID)" "$pid"
	check "a restart fails" eval '! systemctl restart bufwriter.service 2>/dev/null'
	# For a moment systemd shows the 0 of the next try.
	check "with 78" within 10 ended_with 78
	once waiting 100
	sleep 11
	check "it is not hammered" test "$(show NRestarts)" -le 3
	check "the socket is still there" \
		equal "$(show ActiveState bufwriter.socket)" active
	mv "$ini.good" "$ini"
	check "mended, it starts by itself" within 10 is_active
	check "what waited is filed" account
	clean
}

# of_unit FAMILY UNIT: the value of bufwriter_sender_FAMILY_total, or nothing
of_unit() {
	bufwriter metrics | sed -n \
		"s/^bufwriter_sender_$1_total{.*unit=\"$2\".*} //p"
}

# more_than NUMBER FAMILY UNIT
more_than() {
	local value

	value=$(of_unit "$2" "$3")
	[ "${value:-0}" -gt "$1" ]
}

# as_unit USER NAME OPTION...: sends what comes to the FIFO in.NAME
as_unit() {
	local user=$1 name=$2
	shift 2
	rm -f "in.$name"
	mkfifo -m 0666 "in.$name"
	# shellcheck disable=SC2016 # for the shell of the unit
	systemd-run -q --uid="$user" --gid=bufwriter --unit="check-$name" "$@" \
		sh -c 'exec bufwriter send --quiet --timeout 60s <"$1"' \
		- "$work/in.$name"
}

# in_files NAME COUNT: of the lines 1 to COUNT, each is there once
in_files() {
	systemctl kill --kill-who=main -s USR1 bufwriter.service
	seq -f "$1 %.0f" "$2" | sort >expected
	cat "$files"/*.log | grep -x "$1 [1-9][0-9]*" | sort >found
	cmp -s expected found
}

# Its first line is counted for its user, until the daemon knows its unit.
says_all() {
	local unit=$2

	exec 3>"in.$1"
	echo "$1 0" >&3
	check "the unit of $1 gets a name" within 30 more_than 0 messages "$unit"
	seq -f "$1 %.0f" 400 >&3
	exec 3>&-
	check "every line of $1 is filed" within 30 in_files "$1" 400
	# The first one may have been the flood's user's.
	check "none of them is dropped" eval "! more_than 1 dropped $unit"
}

# Two units of one user, of which one floods, and the session of another user.
who_sends() {
	local drop=/etc/systemd/system/bufwriter.service.d pid

	echo "6. Who sends"
	cp "$ini" "$ini.good"
	# In lanes there is no limit.
	printf '\n[lanes]\ncount = 0\n[senders]\nidentify = yes\n' >>"$ini"
	printf 'by = unit\nrate = 100\nburst = 500\n' >>"$ini"
	systemctl restart bufwriter.service
	as_unit nobody unseen
	echo unseen >in.unseen
	check "the sandbox hides the unit of another user" \
		within 30 more_than 0 messages unknown
	check "the status names the drop-in" \
		eval 'bufwriter status | grep -q "install identify.conf"'
	install -m 0644 -D -t "$drop" /usr/share/doc/bufwriter/identify.conf
	systemctl daemon-reload
	systemctl restart bufwriter.service
	systemd-run -q --uid=nobody --gid=bufwriter --unit=check-flood sh -c \
		'while seq -f "flood %.0f" 1000; do :; done |
			exec bufwriter send --quiet --timeout never'
	check "with it, a flood has a name and a limit" \
		within 30 more_than 1000 dropped check-flood.service
	check "the status has no hint now" \
		eval '! bufwriter status | grep -q identify.conf'
	as_unit nobody quiet
	says_all quiet check-quiet.service
	as_unit daemon session --scope --slice=user-1.slice &
	pid=$!
	within 10 test -p in.session
	says_all session check-session.scope
	wait "$pid"
	check "the flood goes on" is_active check-flood.service
	check "the status shows units" \
		eval 'bufwriter status | grep -q " check-flood.service$"'
	systemctl stop check-flood.service
	mv "$ini.good" "$ini"
	rm -r "$drop" in.*
	systemctl daemon-reload
	systemctl restart bufwriter.service
	clean
}

# ship_writes PATH: even root may write there in the shipper's sandbox
ship_writes() {
	nsenter -t "$(show MainPID bufwriter-ship.service)" -m \
		touch "$1" 2>/dev/null
}

# Processes of its command are there.
command_runs() { pgrep -f 'xargs -0 mv -t /srv/centre' >/dev/null; }
command_is_gone() { ! command_runs; }

# The centre is a directory here.
shipper() {
	local centre drop before dir

	centre=/srv/centre/$(hostname)
	drop=/etc/systemd/system/bufwriter-ship.service.d
	echo "7. The shipper"
	install -d -o bufwriter "$centre"
	mkdir -p "$drop"
	printf '[Service]\nReadWritePaths=/srv/centre\nRestartSec=1\n' \
		>"$drop/check.conf"
	cp "$ini" "$ini.good"
	printf '\n[ship]\ninterval = 1s\n' >>"$ini"
	printf 'command = sh -c "until [ ! -e /srv/centre/away ]; do sleep 1; done; xargs -0 mv -t /srv/centre/%%H --"\n' >>"$ini"
	systemctl daemon-reload
	systemctl start bufwriter-ship.service
	arrived() { [ "$(cat "$centre"/*.log 2>/dev/null | wc -l)" = "$1" ]; }
	once shipped 100
	check "it takes what is sent" within 30 arrived 100
	# It writes them when its command has ended.
	check "its numbers are beside the control socket" within 5 \
		grep -qs '^bufwriter_ship_files_total' /run/bufwriter/ship.prom
	check "the status shows them" within 5 \
		eval 'bufwriter status | grep -q "^shipper  .* files shipped"'
	before=$(show MainPID bufwriter-ship.service)
	check "it is the daemon's user" \
		equal "$(stat -c %U "/proc/$before")" bufwriter
	check "and comes after the daemon" \
		test "$(cut -d ' ' -f 19 "/proc/$before/stat")" -gt 0
	check "its sandbox lets it write to the files" ship_writes "$files/new"
	rm "$files/new"
	for dir in /etc/bufwriter /usr /var/lib /var/log; do
		check "and not to $dir" eval "! ship_writes $dir/new"
	done
	systemctl restart bufwriter.service
	check "a restart of the daemon is none of the shipper" \
		equal "$(show MainPID bufwriter-ship.service)" "$before"
	# the command hangs, and outlives its shipper until systemd ends it
	touch /srv/centre/away
	once again 100
	check "the command waits for the centre" within 30 command_runs
	systemctl kill --kill-who=main -s KILL bufwriter-ship.service
	again() { [ "$(show NRestarts bufwriter-ship.service)" -gt 0 ]; }
	check "killed, it is started again" within 30 again
	rm /srv/centre/away
	check "and goes on with what the first one left" within 30 arrived 200
	check "no command of the first one is left" within 10 command_is_gone
	systemctl stop bufwriter.socket bufwriter.service
	seq -f 'without %.0f' 100 >"$work/left"
	install -o bufwriter -m 0400 "$work/left" \
		"$files/0_1_1795597042000000000.log"
	check "without a daemon it goes on" within 30 arrived 300
	check "and still runs" is_active bufwriter-ship.service
	systemctl start bufwriter.socket
	systemctl restart bufwriter-ship.service
	once restarted 100
	check "restarted, it takes what is sent" within 30 arrived 400
	systemctl stop bufwriter-ship.service
	check "it stops with success" \
		equal "$(show Result bufwriter-ship.service)" success
	check "nothing went wrong" equal \
		"$(journalctl -q -o cat -p warning -u bufwriter-ship.service \
			_COMM=bufwriter-ship)" ""
	mv "$ini.good" "$ini"
	rm -r "$drop" "$centre" "$work/left"
	systemctl daemon-reload
	clean
}

# over_ssh HOST: key and known_hosts are credentials of the shipper's unit
over_ssh() {
	local ship=/etc/bufwriter/ship

	rm "$ship/password"
	ssh-keygen -q -t ed25519 -N '' -f "$ship/key"
	bufwriter-centre add "$1" "$ship/key.pub" >/dev/null
	systemctl start ssh.service
	ssh-keyscan -t ed25519 127.0.0.1 >"$ship/known_hosts" 2>/dev/null
	check "the key is for root only" equal \
		"$(stat -c %U:%a "$ship/key")" root:600
	sed -i 's,^destination = .*,destination = bufwriter-centre@127.0.0.1:/in/%H/,' \
		"$ini"
	systemctl start bufwriter-ship.service
	once ssh 100
	check "over ssh files come to done/, too" within 30 received 300
	systemctl stop bufwriter-ship.service
	ssh-keygen -q -t ed25519 -N '' -f "$work/other"
	mv "$work/other" "$ship/key"
	systemctl start bufwriter-ship.service
	once refused 100
	refused() {
		journalctl -q -o cat -p warning -u bufwriter-ship.service |
			grep -q 'Permission denied'
	}
	check "another key is refused in a line of the log" within 30 refused
	systemctl stop bufwriter-ship.service ssh.service
	bufwriter-centre remove "$1" >/dev/null
	rm "$work/other.pub"
}

# This host is the centre, and ships to it.
centre() {
	local host units="bufwriter-centre bufwriter-centre-rsync"

	host=$(hostname)
	echo "8. A centre"
	# shellcheck disable=SC2086 # a list
	check "nothing of it runs before it is asked to" equal \
		"$(systemctl is-active $units | xargs)" "inactive inactive"
	check "its directories are there" equal \
		"$(stat -c %U:%G:%a /srv/bufwriter/{in,done} | sort -u)" \
		bufwriter-centre:bufwriter-centre:750
	# shellcheck disable=SC2086 # a list
	systemctl enable -q --now $units
	mkdir -p /etc/bufwriter/ship
	(
		umask 077
		bufwriter-centre add "$host" | sed -n 's/.*echo \(.*\) >.*/\1/p' \
			>/etc/bufwriter/ship/password
	)
	check "its passwords are for root only" equal \
		"$(stat -c %U:%a /etc/bufwriter/centre.secrets)" root:600
	cp "$ini" "$ini.good"
	printf '\n[ship]\ninterval = 1s\n' >>"$ini"
	printf 'destination = rsync://%%H@127.0.0.1/bufwriter/in/%%H/\n' >>"$ini"
	systemctl start bufwriter-ship.service
	received() {
		[ "$(cat "/srv/bufwriter/done/$host"/*.log 2>/dev/null |
			wc -l)" = "$1" ]
	}
	once centre 100
	check "what is sent comes to done/" within 30 received 100
	check "files are for the group of the centre" equal \
		"$(stat -c %U:%G:%a "/srv/bufwriter/done/$host"/*.log | sort -u)" \
		bufwriter-centre:bufwriter-centre:440
	check "the centre finds nothing wrong" bufwriter-centre check
	# it writes them once a minute
	check "its numbers are there" within 90 \
		grep -q "last_arrival.*\"$host\"" \
		/run/bufwriter-centre/centre.prom
	check "its log has no warning" equal \
		"$(journalctl -q -o cat -p warning -u bufwriter-centre \
			-u bufwriter-centre-rsync)" ""
	check "its rsync daemon cannot write to done/" eval \
		"! nsenter -t $(show MainPID bufwriter-centre-rsync) -m \
			touch /srv/bufwriter/done/new 2>/dev/null"
	# shellcheck disable=SC2086 # a list
	systemctl kill -s KILL $units
	once after 100
	check "killed, it comes back" within 60 received 200
	systemctl stop bufwriter-ship.service
	over_ssh "$host"
	# shellcheck disable=SC2086 # a list
	systemctl disable -q --now $units
	mv "$ini.good" "$ini"
	rm -r /etc/bufwriter/ship "/srv/bufwriter/done/$host"
	clean
}

# A daemon without a unit is killed with a message in its region.
leave_region() {
	mkdir -p /run/bufwriter-hand hand
	bufwriterd -o socket.path="$work/by-hand.sock" -o files.path="$work/hand" \
		-o state.path=/run/bufwriter-hand/state -o control.path= \
		-o buffer.forced=0 2>hand.log &
	within 5 grep -q 'ready: ' hand.log
	echo kept | bufwriter send --quiet --socket "$work/by-hand.sock"
	within 5 grep -q kept /run/bufwriter-hand/state
	kill -KILL $!
	wait $! 2>/dev/null
}

instances_and_purge() {
	echo "9. Two instances, then none"
	for name in one two; do
		printf '[files]\npath = /var/log/bufwriter-%s\nprefix = %%i-\n' \
			"$name" >"/etc/bufwriter/$name.ini"
		systemctl enable -q --now "bufwriter@$name.socket"
		echo "to $name" | bufwriter send --quiet \
			--socket "/run/bufwriter-$name.sock"
	done
	for name in one two; do
		within 5 is_active "bufwriter@$name.service"
		systemctl kill --kill-who=main -s USR1 "bufwriter@$name.service"
		check "instance $name files in its own place" within 10 \
			grep -qrs "to $name" --include="$name-*.log" \
			"/var/log/bufwriter-$name"
	done
	leave_region
	once last 10
	check "the package is removed" package -r bufwriter
	check "nothing of it runs" equal "$(pgrep -c bufwriterd)" 0
	check "what it held is filed" account
	check "regions that are clean are gone, one that is not stays" \
		equal "$(echo /run/bufwriter*/state)" /run/bufwriter-hand/state
	check "and purged" \
		package -P bufwriter bufwriter-centre libbufwriter-dev \
		libbufwriter0
	check "what that one held can be read still" \
		grep -q kept /run/bufwriter-hand/state
	rm -r /run/bufwriter-hand
	check "it leaves files and what the user made" equal \
		"$(find / -xdev -iname '*bufwriter*' ! -path '/check/*' \
			! -path '/proc/*' ! -path '/sys/*' \
			! -name 'bufwriter-check*' | sort | xargs)" \
		"/etc/bufwriter /var/log/bufwriter /var/log/bufwriter-one\
 /var/log/bufwriter-two"
	check "and nothing in /run" equal \
		"$(ls -d /run/bufwriter* 2>/dev/null)" ""
}

install_and_activate
under_load
watchdog
full_disk
broken_settings
who_sends
shipper
centre
instances_and_purge

journalctl -q --no-pager -b >"$share/journal"
echo
echo "$passed passed, $failed failed"
systemctl exit 0 || systemctl poweroff
