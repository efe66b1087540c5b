#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   case.sh LANGUAGE [compile]
#
# Compiles what needs it, or runs the program of the cases, see client/cases/README.md, in this language:
# the example of its page, with the paths of the test, and cases/LANGUAGE.
#
# BUFWRITER_SOCKET, WORK, BUILD: as tests/e2e/test_clients.c sets them.
# shellcheck disable=SC2016
set -eu
cd "$(dirname "$0")"
program=$WORK/case-$1
if [ "${2-}" != compile ] && [ -e "$program.out" ]; then
	exec "$program.out"
fi
{
	sed -n '/^```[a-z]/,/^```$/p' "$1.md" | sed '/^```/d' |
		sed -e "s,/run/bufwriter\\.sock,$BUFWRITER_SOCKET,g" \
			-e "s,/run/bufwriter/limits,$BUFWRITER_SOCKET.limits,g"
	cat "cases/$1"
} >"$program"
case $1 in
cpp | rust) ;;
*) [ "${2-}" != compile ] || exit 0 ;;
esac
case $1 in
php) exec php "$program" ;;
ruby) exec ruby "$program" ;;
perl) exec perl "$program" ;;
lua) exec lua5.3 "$program" ;;
shell) exec sh "$program" ;;
cpp)
	c++ -O0 -x c++ -I ../library -o "$program.out" "$program" -x none \
		"$BUILD/libbufwriter.a" -lspdlog -lfmt -pthread
	;;
rust)
	rustc --edition 2021 -o "$program.out" "$program"
	;;
esac
