#!/bin/sh
# SPDX-License-Identifier: MIT
# client/recipes/logger.md
# shellcheck disable=SC1091,SC2154,SC2016,SC2218,SC2034
set -eu
. "$(dirname "$0")/lib.sh"
begin logger
needs logger bsdutils

log() {
	for i in $(seq "$1" "$2"); do
		block recipes/logger.md 1 | sed "s,job done,job id=$i.," | sh
	done
}

phases log
expect
expect_line '<13>.*: job id=60\.'
echo "$name: each of $total messages once"
