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

# within SECONDS COMMAND...: succeeds once the command does, in time
within() {
	local end=$((SECONDS + $1))
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

# start NAME: sends numbered lines, a few thousand a second, until stop_all
start() {
	(
		n=0
		while [ ! -e stop ]; do
			for ((i = 0; i < 100; i++)); do
				echo "$1 $((n++)) $RANDOM"
			done
			sleep 0.03
		done | tee "sent.$1" |
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
	is_active && systemctl kill -s USR1 bufwriter.service 2>/dev/null
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
	for ((k = 0; k < 10; k++)); do
		systemctl restart bufwriter.service
		sleep 0.2
	done
	check "ten restarts, and it runs" within 5 is_active
	for ((k = 0; k < 20; k++)); do
		systemctl kill -s KILL bufwriter.service
		sleep 0.3
	done
	check "twenty kills, and it runs" within 5 is_active
	check "the socket never closed" \
		equal "$(show ActiveState bufwriter.socket)" active
	before=$(show MainPID)
	check "a higher version installs" package -i "$share"/new.debs/*.deb
	check "the upgrade started the new daemon" \
		test "$before" != "$(show MainPID)"
	sleep 0.5
	stop_all
	check "every message is in exactly one file" account
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
	check "a stop is given its time" ended_with 75
	mv "$ini.good" "$ini"
	rm -r "$drop"
	systemctl daemon-reload
	systemctl start bufwriter.service --no-block
}

full_disk() {
	echo "4. A full disk"
	systemctl stop -q bufwriter.socket bufwriter.service
	mount -t tmpfs -o size=2m,mode=0750,uid=bufwriter,gid=bufwriter \
		tmpfs "$files"
	systemctl start bufwriter.socket
	head -c 2m /dev/zero >"$files/.filler" 2>/dev/null
	once disk 20000
	check "it says so" within 15 journal_has 'No space left'
	if bufwriter status --help >/dev/null 2>&1; then
		check "status --check says so too" \
			eval '! bufwriter status --check >/dev/null'
	fi
	check "it stays up" is_active
	long_stop
	rm "$files/.filler"
	check "with space everything is filed" account 60
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

# The centre is a directory here.
shipper() {
	local centre drop

	centre=/srv/centre/$(hostname)
	drop=/etc/systemd/system/bufwriter-ship.service.d
	echo "6. The shipper"
	install -d -o bufwriter "$centre"
	mkdir -p "$drop"
	printf '[Service]\nReadWritePaths=/srv/centre\nRestartSec=1\n' \
		>"$drop/check.conf"
	cp "$ini" "$ini.good"
	printf '\n[ship]\ninterval = 1s\n' >>"$ini"
	printf 'command = sh -c "xargs -0 mv -t /srv/centre/%%H --"\n' >>"$ini"
	systemctl daemon-reload
	systemctl start bufwriter-ship.service
	arrived() { [ "$(cat "$centre"/*.log 2>/dev/null | wc -l)" = "$1" ]; }
	once shipped 100
	check "it takes what is sent" within 30 arrived 100
	check "its numbers are beside the control socket" \
		grep -q '^bufwriter_ship_files_total' /run/bufwriter/ship.prom
	check "the status shows them" \
		eval 'bufwriter status | grep -q "^shipper  .* files shipped"'
	systemctl kill -s KILL bufwriter-ship.service
	once again 100
	check "killed, it comes back" within 30 arrived 200
	systemctl stop bufwriter-ship.service
	check "it stops with success" \
		equal "$(show Result bufwriter-ship.service)" success
	check "nothing went wrong" equal \
		"$(journalctl -q -o cat -p warning -u bufwriter-ship.service \
			_COMM=bufwriter-ship)" ""
	mv "$ini.good" "$ini"
	rm -r "$drop" "$centre"
	systemctl daemon-reload
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
	echo "7. Two instances, then none"
	for name in one two; do
		printf '[files]\npath = /var/log/bufwriter-%s\nprefix = %%i-\n' \
			"$name" >"/etc/bufwriter/$name.ini"
		systemctl enable -q --now "bufwriter@$name.socket"
		echo "to $name" | bufwriter send --quiet \
			--socket "/run/bufwriter-$name.sock"
	done
	for name in one two; do
		within 5 is_active "bufwriter@$name.service"
		systemctl kill -s USR1 "bufwriter@$name.service"
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
		package -P bufwriter libbufwriter-dev libbufwriter0
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
shipper
instances_and_purge

journalctl -q --no-pager -b >"$share/journal"
echo
echo "$passed passed, $failed failed"
systemctl exit 0 || systemctl poweroff
