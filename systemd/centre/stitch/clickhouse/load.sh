#!/bin/sh
# SPDX-License-Identifier: MIT
#
# load.sh DONE [CLIENT OPTION]...: loads all files of DONE/HOST/ into
# ClickHouse, each file once, and notes each in DONE/.loaded.  The name of a
# file is the token by which the server recognises a second load, so a run that
# was killed between load and note adds nothing when it is repeated.
set -eu
if [ $# -lt 1 ] || [ ! -d "$1" ]; then
	echo "usage: load.sh DONE [CLIENT OPTION]..., where DONE has a directory for each host" >&2
	exit 64
fi
done=$1
shift
noted=$done/.loaded
mkdir -p "$noted"
for file in "$done"/*/*; do
	name=${file##*/}
	name=${name%.zst}
	if [ ! -f "$file" ] || [ -e "$noted/$name" ]; then
		continue
	fi
	case $file in
	*.zst) unpack="zstd -q -d -c" ;;
	*) unpack="cat" ;;
	esac
	# insert_distributed_sync: a load is complete when the shards have it.
	$unpack "$file" | clickhouse-client "$@" --insert_deduplicate=1 \
		--insert_distributed_sync=1 --async_insert=0 \
		--insert_deduplication_token="$name" \
		--query="INSERT INTO events (event) FORMAT LineAsString"
	: >"$noted/$name"
done
