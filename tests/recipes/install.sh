#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs what `make check-recipes` runs, from Debian and npm, without starting
# any service.  What cannot be installed is left out, and its test skipped.
set -u
: "${BW_BUILD:=build}"
mkdir -p "$BW_BUILD/recipes"
if [ "$(id -u)" = 0 ]; then
	as_root=
else
	as_root='sudo -n'
fi
export DEBIAN_FRONTEND=noninteractive

# Package scripts ask policy-rc.d whether they may start a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >"$BW_BUILD/recipes/policy-rc.d"
	$as_root install -m 755 "$BW_BUILD/recipes/policy-rc.d" $policy &&
		trap '$as_root rm -f $policy' EXIT
fi

$as_root apt-get update -q >/dev/null || :
# Each line is installed by itself, so that one missing package costs one test.
while read -r packages; do
	# shellcheck disable=SC2086 # words on purpose
	$as_root apt-get install -y -q --no-install-recommends $packages \
		</dev/null >"$BW_BUILD/recipes/apt.log" 2>&1 ||
		echo "not installed: $packages: $(tail -n 1 "$BW_BUILD/recipes/apt.log")"
done <<'LIST'
iproute2 bsdutils python3 perl
python3-structlog gunicorn
haproxy
nginx-light
apache2-bin
php-fpm php-cli
php-monolog
rsyslog
cron
busybox-static
systemd
golang-go golang-go.uber-zap-dev
ruby
lua5.3 lua-posix
rustc
g++ libspdlog-dev
default-jdk-headless liblogback-java liblog4j2-java
LIST

# Debian's syslog-ng conflicts with rsyslog.
root=$BW_BUILD/recipes/syslog-ng
if [ ! -x "$root/usr/sbin/syslog-ng" ]; then
	$as_root apt-get install -y -q --no-install-recommends libivykis0 \
		libnet1 libjson-c5 libwrap0 </dev/null >/dev/null 2>&1
	mkdir -p "$root"
	(cd "$root" && apt-get download -q syslog-ng-core >/dev/null 2>&1 &&
		dpkg -x syslog-ng-core*.deb .) ||
		echo "not installed: syslog-ng-core"
fi

# The example of log/slog needs a newer Go than Debian 12 has.  Its backports
# have one.  It is unpacked from the mirror that apt knows, and not installed.
root=$BW_BUILD/recipes/go
go=golang-1.22
unpack_go() {
	# shellcheck disable=SC2016 # apt fills it in
	site=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' | head -n 1)
	keys=/usr/share/keyrings/debian-archive-keyring.gpg
	mkdir -p "$root/lists/partial"
	cd "$root" || return 1
	echo "deb [signed-by=$keys] $site $VERSION_CODENAME-backports main" \
		>source.list
	set -- -q -o Dir::Etc::SourceList="$PWD/source.list" \
		-o Dir::Etc::SourceParts=- -o Dir::State::Lists="$PWD/lists"
	apt-get "$@" update >/dev/null 2>&1
	apt-get "$@" download $go-go $go-src >/dev/null 2>&1
	dpkg -x $go-go_*.deb . && dpkg -x $go-src_*.deb . && rm -f ./*.deb
}
if [ ! -d "$root/usr/share/$go" ]; then
	VERSION_CODENAME=
	# shellcheck disable=SC1091
	. /etc/os-release
	(unpack_go) 2>/dev/null || echo "not installed: $go"
fi

command -v npm >/dev/null 2>&1 ||
	$as_root apt-get install -y -q --no-install-recommends nodejs npm \
		</dev/null >/dev/null 2>&1
mkdir -p "$BW_BUILD/recipes/node"
(cd "$BW_BUILD/recipes/node" && { [ -d node_modules/winston-syslog ] ||
	npm install --no-audit --no-fund --silent \
		pino@9 winston@3 winston-syslog@2; }) ||
	echo "not installed: pino, winston"
exit 0
