#!/bin/sh
# SPDX-License-Identifier: MIT
#
# client/go: its page's example, and those for log, slog and zap, each before and
# after a restart and a SIGKILL; and the module's own tests, with the race detector
# where a C compiler is, which that takes.
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin go
needs go golang-go
export GO111MODULE=off CGO_ENABLED=0 GOCACHE="$BW_BUILD/tests/gocache" \
	GOPATH="$work/go:/usr/share/gocode" BUFWRITER_SOCKET="$sock"
mkdir -p "$work/go/src"
cp -r "$top/client/go" "$work/go/src/bufwriter"
mkdir "$work/page"
block go/README.md 1 >"$work/page/main.go"

run() {
	go build -o "$work/program" "$2" || fail "$1 does not compile"
	"$work/program"
	restart
	"$work/program"
	sigkill
	"$work/program"
	bufwriter flush -q -s "$work/control"
	found=$(lines | grep -axcE "$3")
	[ "$found" = 3 ] || fail "$1: $found messages, not 3: $(lines)"
	echo "$name: $1: each of 3 messages once"
}

examples=$work/go/src/bufwriter/examples
run page "$work/page/main.go" 'user 17 logged in'
run log "$examples/log.go" 'shop: order 17 paid'
if [ -d /usr/share/gocode/src/go.uber.org/zap ]; then
	run zap "$examples/zap.go" \
		'\{"level":"info","msg":"order paid","order":17\}'
else
	echo "$name: zap: skipped: golang-go.uber-zap-dev is not installed"
fi

race=
! command -v gcc >/dev/null || race=-race
# shellcheck disable=SC2086 # an option or none
BUFWRITERD=$BW_BUILD/bufwriterd CGO_ENABLED=$((${#race} > 0)) \
	timeout 1200 go test $race -count=1 bufwriter >"$work/test.out" 2>&1 ||
	fail "its tests fail"
echo "$name: lanes: each of the messages once, with kills and restarts"

# A newer one, for slog.
for newer in "$BW_BUILD"/recipes/go/usr/lib/go-*/bin; do
	[ ! -x "$newer/go" ] || PATH=$newer:$PATH
done
if [ -d "$(go env GOROOT)/src/log/slog" ]; then
	run slog "$examples/slog.go" \
		'\{"time":.*"msg":"order paid","order":17\}'
else
	echo "$name: slog: skipped: $(go version | cut -d ' ' -f 3) lacks it"
fi
