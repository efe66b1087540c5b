#!/bin/sh
# SPDX-License-Identifier: MIT
#
# load.sh DATABASE DONE: loads all files of DONE/HOST/ into a DuckDB database,
# each file once, see load.sql.  A run that was killed is repeated; it goes on
# where the other one was.  One run at a time: DuckDB locks the database.
set -eu
if [ $# -ne 2 ] || [ ! -d "$2" ]; then
	echo "usage: load.sh DATABASE DONE, where DONE has a directory for each host" >&2
	exit 64
fi
database=$1
done=$2
here=$(cd "$(dirname "$0")" && pwd)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# DuckDB takes text in quotes: a quote in a path is doubled.
quote() { printf '%s' "$1" | sed "s/'/''/g"; }

# Unpacks what files.compression = zstd has made, unless it was loaded before.
duckdb "$database" -noheader -list \
	-c "CREATE TABLE IF NOT EXISTS loaded
		(file VARCHAR PRIMARY KEY, lines BIGINT NOT NULL)" \
	-c "SELECT file FROM glob('$(quote "$done")/*/*.zst')
		WHERE parse_filename(file)[:-5] NOT IN
			(SELECT file FROM loaded)" |
	while IFS= read -r file; do
		name=${file##*/}
		zstd -q -d "$file" -o "$unpacked/${name%.zst}"
	done

while :; do
	files=$(duckdb "$database" -noheader -list \
		-c "SET VARIABLE done = '$(quote "$done")'" \
		-c "SET VARIABLE unpacked = '$(quote "$unpacked")'" \
		-f "$here/load.sql")
	[ "${files%%|*}" != 0 ] || break
	echo "loaded ${files%%|*} files, ${files##*|} lines"
done
