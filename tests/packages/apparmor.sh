#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The AppArmor profiles allow what daemon and shipper do.  A daemon with its
# default paths, in directories of its own, gets datagrams, lanes and commands, is
# reloaded, killed, started again and stopped.  A shipper ships to an rsync daemon
# and over ssh, with credentials as its unit has them.
#
# Everywhere that strace is: each path that it names has a rule (apparmor.py).
# Where the kernel has AppArmor: the same with the profiles in force.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BW_BUILD:-$top/build}
PATH=$build:$PATH:/usr/sbin:/sbin

if [ -z "${BW_INSIDE-}" ]; then
	for program in strace apparmor_parser rsync ssh sshd rrsync; do
		command -v "$program" >/dev/null || {
			echo "apparmor: skipped: $program is not installed"
			[ "${CI-}" != true ]
			exit
		}
	done
	if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
		echo "apparmor: skipped: this takes root and a mount namespace"
		exit 0
	fi
	BW_INSIDE=1 exec unshare -m "$0"
fi

# in_here NAME: the last process of this name in this mount namespace
in_here() { pgrep -n -x "$1" --ns $$ --nslist mnt; }

work=$(mktemp -d "${TMPDIR:-/tmp}/bw-apparmor.XXXXXX")
cleanup() {
	# what strace runs outlives it
	for one in ${pid-} ${shipper-} ${rsyncd-} ${sshd-} \
		$(in_here bufwriterd) $(in_here bufwriter-ship); do
		kill -KILL "$one" 2>/dev/null || :
	done
	for profile in ${loaded-}; do
		apparmor_parser -R "$profile" || :
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# start COMMAND...: the daemon with its defaults, run by this command
start() {
	"$@" "$build/bufwriterd" -o buffer.forced=200ms \
		-o senders.identify=yes 2>>"$work/log" &
	pid=$!
	tries=0
	until bufwriter status >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || {
			cat "$work/log"
			exit 1
		}
		sleep 0.05
	done
	daemon=$(in_here bufwriterd)
}

# life COMMAND...
life() {
	own_directories
	start "$@"
	seq -f 'id=%.0f.' 1 20000 | bufwriter send --quiet --timeout 20s
	bufwriter send --quiet 'id=one.'
	bufwriter flush >/dev/null
	bufwriter metrics >/dev/null
	bufwriter reload >/dev/null
	kill -KILL "$daemon"
	wait "$pid" 2>/dev/null || :
	start "$@"
	seq -f 'id=%.0f.' 20001 40000 | bufwriter send --quiet --timeout 20s
	kill -TERM "$daemon"
	wait "$pid" || :
	pid=
	found=$(cat /var/log/bufwriter/*.log | sort -u | wc -l)
	[ "$found" = 40001 ] || {
		echo "apparmor: $found of 40001 messages are in files"
		cat "$work/log"
		exit 1
	}
	umount /run /var/log
}

own_directories() {
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /var/log
	mkdir -p /run/bufwriter /var/log/bufwriter
}

# --- the shipper -------------------------------------------------------------

free_port() {
	/usr/bin/python3 -c 'import socket; s = socket.socket()
s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# centre: an rsync daemon and sshd, on ports of their own
centre() {
	mkdir -p "$work/in" /run/sshd "$credentials"
	printf 'shipper:secret\n' >"$work/secrets"
	printf 'secret\n' >"$credentials/password"
	port=$(free_port)
	cat >"$work/rsyncd.conf" <<-CONF
		use chroot = no
		[in]
		path = $work/in
		read only = no
		uid = 0
		gid = 0
		auth users = shipper
		secrets file = $work/secrets
	CONF
	ssh_port=$(free_port)
	cat >"$work/sshd_config" <<-CONF
		ListenAddress 127.0.0.1
		Port $ssh_port
		HostKey $work/host
		AuthorizedKeysFile $work/authorized
		UsePAM no
		StrictModes no
		PidFile none
	CONF
	ssh-keygen -q -t ed25519 -N '' -f "$work/host"
	ssh-keygen -q -t ed25519 -N '' -f "$credentials/key"
	chmod 0600 "$work/secrets" "$credentials/"*
	echo "command=\"rrsync -wo $work/in\",restrict" \
		"$(cat "$credentials/key.pub")" >"$work/authorized"
	echo "[127.0.0.1]:$ssh_port $(cat "$work/host.pub")" \
		>"$credentials/known_hosts"
	# The default command names no port.
	{
		cat /etc/ssh/ssh_config
		printf 'Host *\n    Port %s\n' "$ssh_port"
	} >"$work/ssh_config"
	mount --bind "$work/ssh_config" /etc/ssh/ssh_config
	rsync --daemon --no-detach --address=127.0.0.1 --port="$port" \
		--config="$work/rsyncd.conf" --log-file=/dev/null \
		2>>"$work/log" &
	rsyncd=$!
	/usr/sbin/sshd -D -e -f "$work/sshd_config" 2>>"$work/log" &
	sshd=$!
}

# files FIRST LAST
files() {
	for n in $(seq "$1" "$2"); do
		echo "$n" >"/var/log/bufwriter/$(hostname)-0_1_17955970420000000$n.log"
	done
}

# arrived COUNT: all files up to this number are in the centre, and not here
arrived() {
	tries=0
	until [ "$(cat "$work/in/"*.log 2>/dev/null | wc -l)" = "$1" ] &&
		! ls /var/log/bufwriter/*.log >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || {
			echo "apparmor: the shipper has not shipped $1 files"
			cat "$work/log"
			exit 1
		}
		sleep 0.05
	done
}

# shipper_life COMMAND...
shipper_life() {
	credentials=/run/credentials/bufwriter-ship.service
	own_directories
	rm -rf "$work/in" "$work/host"
	centre
	export CREDENTIALS_DIRECTORY="$credentials"
	files 10 39
	"$@" "$build/bufwriter-ship" -o ship.interval=100ms -o files.prefix=%H- \
		-o "ship.destination=rsync://shipper@127.0.0.1:$port/in/" \
		2>>"$work/log" &
	shipper=$!
	arrived 30
	files 40 49
	arrived 40
	kill -TERM "$(in_here bufwriter-ship)"
	wait "$shipper" || :
	shipper=
	files 50 59
	"$@" "$build/bufwriter-ship" --once -o files.prefix=%H- \
		-o "ship.destination=root@127.0.0.1:" 2>>"$work/log" || :
	arrived 50
	kill "$rsyncd" "$sshd"
	wait "$rsyncd" "$sshd" || :
	rsyncd='' sshd=''
	umount /etc/ssh/ssh_config /run /var/log
}

# --- the rules ---------------------------------------------------------------

# judge NAME PROFILE: each path of the trace has a rule
judge() {
	# without strace's own run of the program
	/usr/bin/python3 "$top/tests/packages/apparmor.py" "$2" "$work/trace" \
		>"$work/paths" || {
		cat "$work/paths"
		echo "apparmor: $1: FAILED"
		exit 1
	}
	[ -z "${BW_KEEP-}" ] || cat "$work/paths"
	echo "apparmor: $1: $(wc -l <"$work/paths") paths, and a rule for each"
}

trace="strace -f -y -qq -e trace=%file,bind -o $work/trace"
# shellcheck disable=SC2086 # words
life $trace
judge bufwriterd "$top/systemd/apparmor.conf"
trace="strace -f -y -qq -A -e trace=%file,bind -o $work/trace"
rm "$work/trace"
# shellcheck disable=SC2086 # words
shipper_life $trace
judge bufwriter-ship "$top/systemd/apparmor-ship.conf"

if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ]; then
	echo "apparmor: this kernel has none: the profiles in force are not tested"
	exit 0
fi

# in_force PROGRAM PROFILE: not attached to a path, in force, for aa-exec
in_force() {
	sed -e "s,^profile $1 .*,profile $1-check {," \
		-e "s,peer=$1,&-check," \
		-e "s,^  /usr/{\,local/}s\{0\,1\}bin/$1,  $build/$1," \
		"$2" >"$work/profile.$1"
	apparmor_parser -r "$work/profile.$1" || {
		echo "apparmor: skipped: the profile cannot be loaded in here"
		exit 0
	}
	loaded="${loaded-} $work/profile.$1"
}

in_force bufwriterd "$top/systemd/apparmor.conf"
in_force bufwriter-ship "$top/systemd/apparmor-ship.conf"
life aa-exec -p bufwriterd-check
shipper_life aa-exec -p bufwriter-ship-check
echo "apparmor: the profiles in force forbid nothing that the programs need"
