#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How fast the recipes of systemd/centre/stitch are: BENCH_FILES files (100) of
# 5,000 events of 200 bytes, from ten hosts, with 50 events of each session.
# DuckDB and ClickHouse load them and give one session; NATS JetStream carries
# them, with three replicas on this machine.  What is not installed is skipped
# with one line.  The engines are those of `make check-centre`.
#
# The client of each engine starts anew for each command, so the time of a
# command that does nothing is printed, too.
set -u
cd "$(dirname "$0")" || exit 1
top=$(cd ../.. && pwd)
here=$top/tests/centre
stitch=$top/systemd/centre/stitch
: "${BW_BUILD:=$top/build}"
build=$(cd "$BW_BUILD" && pwd)
files=${BENCH_FILES:-100}
events=$((files * 5000))
work=$(mktemp -d "${BENCH_DIR:-/dev/shm}/bufwriter-stitch.XXXXXX") || exit 1
pids=
# shellcheck disable=SC2086
trap '[ -z "$pids" ] || kill -9 $pids 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck source=tests/centre/engines.sh
. "$here/engines.sh"

# 50 events of a session in the files of five hosts
make_files() {
	awk -v dir="$work/done" -v files="$files" 'BEGIN {
		for (f = 0; f < files; f++) {
			folder = dir "/edge" f % 10
			system("mkdir -p " folder)
			name = folder "/" f % 4 "_" 1000 + f % 10 "_" \
				1795990000 + f "000000000.log"
			for (i = 0; i < 5000; i++) {
				n = f * 5000 + i
				printf "{\"session_id\":\"s%d\",\"timestamp\":" \
					"\"2026-11-%02dT10:%02d:%02d.%03dZ\"," \
					"\"host\":\"edge%d\",\"path\":" \
					"\"/shop/article/%d/picture\",\"ms\":%d," \
					"\"status\":200,\"agent\":\"Mozilla/5.0" \
					" (X11; Linux x86_64; rv:128.0)\"}\n", \
					n % (files * 100), 1 + f % 28, i % 60, \
					f % 60, i % 1000, f % 10, n % 977, \
					n % 250 >name
			}
			close(name)
		}
	}'
}

# timed COMMAND...: sets `ms`
timed() {
	began=$(date +%s%N)
	"$@" >"$work/out" 2>&1 || {
		echo "stitch: $1 failed:" >&2
		cat "$work/out" >&2
		exit 1
	}
	ms=$((($(date +%s%N) - began) / 1000000))
}

rate() {
	awk -v ms="$ms" -v n="$events" \
		'BEGIN { printf "%.2f s, %.0f a second\n", ms / 1e3, n * 1e3 / ms }'
}

# session NAME COMMAND...: the middle of five times; each has the whole session
session() {
	name=$1
	shift
	for _ in 1 2 3 4 5; do
		timed "$@"
		[ "$(wc -l <"$work/out")" = 50 ] || {
			echo "stitch: $name: the session is not whole" >&2
			exit 1
		}
		echo "$ms"
	done | sort -n | sed -n "3s/.*/$name: a session of 50 events in & ms/p"
}

run_duckdb() {
	timed "$stitch/duckdb/load.sh" "$work/centre.db" "$work/done"
	echo "DuckDB: loaded in $(rate)"
	timed duckdb "$work/centre.db" \
		-c "SET VARIABLE parquet = '$work/parquet'" \
		-f "$stitch/duckdb/export.sql"
	echo "DuckDB: sorted Parquet in $(rate)"
	timed duckdb -c 'SELECT 1'
	echo "DuckDB: a command that does nothing takes $ms ms"
	session DuckDB duckdb -c "SET VARIABLE parquet = '$work/parquet'" \
		-c "SET VARIABLE session = 's77'" -f "$stitch/duckdb/session.sql"
}

run_clickhouse() {
	export CLICKHOUSE_DATA="$work/clickhouse" CLICKHOUSE_SOCKET="$work/socket"
	echo '<clickhouse/>' >"$work/clickhouse.xml"
	start_clickhouse "$work/clickhouse.xml" || exit 1
	timed clickhouse-client --queries-file="$stitch/clickhouse/schema.sql"
	timed "$stitch/clickhouse/load.sh" "$work/done"
	echo "ClickHouse: loaded in $(rate), a command for each of $files files"
	timed clickhouse-client --query='SELECT 1'
	echo "ClickHouse: a command that does nothing takes $ms ms"
	session ClickHouse clickhouse-client --param_session=s77 \
		--queries-file="$stitch/clickhouse/session.sql"
	rm -rf "$work/done/.loaded"
}

put_all() {
	for host in "$work"/source/*; do
		printf '%s\0' "$host"/* |
			"$build/bufwriter-nats" put "$servers" edge \
				"${host##*/}" || return 1
	done
}

wait_for_all() {
	while [ "$(find "$work/in" -type f ! -name '.*' | wc -l)" -lt "$files" ]; do
		kill -0 "$get" || return 1
		sleep 0.05
	done
}

run_nats() {
	start_cluster
	timed create_stream
	cp -r "$work/done" "$work/source"
	mkdir "$work/in"
	timed put_all
	echo "JetStream: put took each file in $(rate)"
	"$build/bufwriter-nats" get "$servers" edge "$work/in" &
	get=$!
	pids="$pids $get"
	timed wait_for_all
	echo "JetStream: get had each file after $(rate)"
}

make_files
echo "$events events in $files files, $(du -sm "$work/done" | cut -f1) MiB"
if engines; then
	run_duckdb
	run_clickhouse
else
	echo "skipped: DuckDB and ClickHouse: npm is not there, or has no network"
fi
if [ ! -x "$build/bufwriter-nats" ]; then
	echo "skipped: JetStream: its client library is not there (libnats-dev)"
elif need nats-server nats-server; then
	run_nats
else
	echo "skipped: JetStream: nats-server is not there"
fi
