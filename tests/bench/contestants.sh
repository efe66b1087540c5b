# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
#
# How each contestant is started: sourced by run.sh.
#
# have_NAME	prints why NAME cannot run and fails, or is silent
# start_NAME	writes the command to $work/cmd (a script that ends in exec)
#		and may set sock (where it listens), prefix (text before each
#		message) and counter (a command that prints what arrived);
#		$variant is the part of the contestant's name after the dash
#
# Each writes below $out, gets a configuration with nothing in it but a Unix
# datagram socket and a file, and no rate limit.

# program NAME: its path, from the system or from `make bench-deps`
program() {
	for at in "$deps/usr/sbin/$1" "$deps/usr/bin/$1" "$deps/bin/$1" \
	    "$deps/sbin/$1" "/usr/sbin/$1" "/sbin/$1"; do
		[ -x "$at" ] && echo "$at" && return 0
	done
	command -v "$1"
}

need_program() {
	program "$1" >/dev/null && return 0
	echo "$1 is not installed"
	return 1
}

# Libraries that came with the programs of `make bench-deps`, and those in $1.
library_path() {
	echo "export LD_LIBRARY_PATH='$deps/usr/lib/$triplet:$deps/lib/$triplet:${1:-}'"
}

have_discard() { :; }
start_discard() {
	echo "exec '$bin/discard' -b $variant '$sock'" >"$work/cmd"
	counter="sed -n 's/^received=\([0-9]*\) .*/unique=\1 duplicate=0 broken=0 files=0 stored=0/p' '$work/log'"
}

have_writev() { :; }
start_writev() {
	echo "exec '$bin/writev' -s ${buffer:-65536} '$sock' '$out/file'" \
		>"$work/cmd"
}

have_bufwriterd() {
	[ -x "$BW_BUILD/bufwriterd" ] && return 0
	echo "$BW_BUILD/bufwriterd is not built"
	return 1
}
# Arguments: more options of the daemon; $points: what to inject, $state:
# "off" for plain memory.
start_bufwriterd() {
	state_path=$state_dir/state
	[ "${state:-on}" = off ] && state_path=
	daemon=$BW_BUILD/bufwriterd
	echo "export BW_FAILPOINTS='${points:-}'" >"$work/cmd"
	[ "${points:-}" ] && daemon=$BW_BUILD/failpoints/bufwriterd
	echo "exec '$daemon' -o socket.path='$sock' -o files.path='$out'" \
		"-o state.path='$state_path'" \
		"-o control.path='$work/control.sock' $*" >>"$work/cmd"
}

have_gochan() {
	[ -x "$bin/gochan" ] && return 0
	echo "the Go compiler is not installed"
	return 1
}
start_gochan() {
	case $variant in 8K) size=8192 ;; *) size=1048576 ;; esac
	echo "exec '$bin/gochan' -size $size '$sock' '$out'" >"$work/cmd"
}

have_socat() { need_program socat; }
start_socat() {
	echo "exec socat -u -b 65536 UNIX-RECV:'$sock'" \
		"OPEN:'$out/file',creat,append" >"$work/cmd"
}

have_rsyslog() { need_program rsyslogd; }
start_rsyslog() {
	modules=$deps/usr/lib/$triplet/rsyslog
	prefix='<13>'
	cat >"$work/conf" <<-END
	global(workDirectory="$work" maxMessageSize="64k")
	module(load="imuxsock" SysSock.Use="off")
	template(name="raw" type="string" string="%rawmsg%\n")
	input(type="imuxsock" Socket="$sock" CreatePath="off"
		RateLimit.Interval="0" IgnoreTimestamp="on"
		UseSysTimeStamp="off" UsePIDFromSystem="off" Ruleset="r")
	ruleset(name="r") {
		action(type="omfile" file="$out/file" template="raw")
	}
	END
	{
		[ -d "$modules" ] && library_path
		echo "exec '$(program rsyslogd)' -n -i NONE -f '$work/conf'" \
			"$([ -d "$modules" ] && echo "-M '$modules'")"
	} >"$work/cmd"
}

have_syslog_ng() { need_program syslog-ng; }
start_syslog_ng() {
	prefix='<13>'
	modules=$(echo "$deps"/usr/lib/syslog-ng/[0-9]*)
	[ -d "$modules" ] || modules=$(echo /usr/lib/syslog-ng/[0-9]*)
	cat >"$work/conf" <<-END
	@version: ${modules##*/}
	options { stats-freq(0); use-dns(no); keep-hostname(yes);
		log-msg-size(65536); };
	source s { unix-dgram("$sock" flags(no-parse)); };
	destination d { file("$out/file" template("\$MSG\n")); };
	log { source(s); destination(d); flags(flow-control); };
	END
	{
		library_path "${modules%/*}"
		echo "exec '$(program syslog-ng)' -F --no-caps -f '$work/conf'" \
			"-R '$work/persist' -p '$work/pid'" \
			"-c '$work/ng.ctl' --module-path='$modules'"
	} >"$work/cmd"
}

have_socklog() { need_program socklog; }
start_socklog() {
	prefix='<13>'
	echo "exec '$(program socklog)' unix '$sock' >>'$out/file'" >"$work/cmd"
}

# journald has its socket at a fixed place, so it gets a mount namespace with
# its own /run, and an instance of its own, and keeps its files below $out.
have_journald() {
	journald=/lib/systemd/systemd-journald
	[ -x "$journald" ] || {
		echo "$journald is not installed"
		return 1
	}
	[ -s /etc/machine-id ] || {
		echo "journald wants /etc/machine-id"
		return 1
	}
	unshare -m true 2>/dev/null && return 0
	echo "journald alone needs root and mount namespaces"
	return 1
}
start_journald() {
	prefix='<13>bench: '
	sock='/proc/%p/root/run/systemd/journal.bench/dev-log'
	cat >"$work/journald@bench.conf" <<-END
	[Journal]
	Storage=persistent
	RateLimitIntervalSec=0
	RateLimitBurst=0
	SystemMaxUse=8G
	SystemKeepFree=1M
	SystemMaxFileSize=4G
	Compress=no
	ForwardToWall=no
	END
	cat >"$work/cmd" <<-END
	exec unshare -m sh -c "
	mount -t tmpfs tmpfs /run &&
	mount -t tmpfs tmpfs /etc/systemd &&
	cp '$work/journald@bench.conf' /etc/systemd/ &&
	mkdir -p /var/log/journal && mount --bind '$out' /var/log/journal &&
	mkdir -p /run/systemd/journal.bench &&
	exec /lib/systemd/systemd-journald bench"
	END
	counter="find '$out' -name '*.journal*' | sed 's/^/--file=/' | xargs journalctl -q -o cat | '$bin/count' -"
}
