#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Tests of what a central server does with the files: each recipe of
# systemd/centre/stitch with the real engine.  `make check-centre` runs it.
#
# DuckDB and ClickHouse come as packages of npm, into the build directory, and
# NATS from the distribution.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
stitch=$top/systemd/centre/stitch
: "${BW_BUILD:=$top/build}"
build=$(cd "$BW_BUILD" && pwd)
mkdir -p "$build/centre"
work=$(mktemp -d "$build/centre/run.XXXXXX")
pids=
# shellcheck disable=SC2086
trap '[ -z "$pids" ] || kill -9 $pids 2>/dev/null; rm -rf "$work"' EXIT
passed=0
failed=0

# check NAME COMMAND...
check() {
	name=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		passed=$((passed + 1))
		echo "ok: $name"
	else
		failed=$((failed + 1))
		echo "FAILED: $name"
		sed 's/^/    /' "$work/out"
	fi
}

# is TEXT COMMAND...: the command prints this text.
is() {
	wanted=$1
	shift
	got=$("$@") || return 1
	[ "$got" = "$wanted" ] && return 0
	printf 'wanted: %s\ngot:    %s\n' "$wanted" "$got"
	return 1
}

# shellcheck source=tests/centre/engines.sh
. "$here/engines.sh"

# --- the files of ten hosts: 5,000 events of 100 sessions --------------------

make_files() {
	mkdir -p "$1"
	awk -v dir="$1" 'BEGIN {
		for (host = 0; host < 10; host++) {
			folder = dir "/edge" host
			system("mkdir -p " folder)
			for (f = 0; f < 5; f++) {
				name = folder "/" f "_" 1000 + host \
					"_179599000000000000" f ".log"
				for (i = 0; i < 100; i++)
					printf "{\"session_id\":\"s%d\"," \
						"\"timestamp\":" \
						"\"2026-11-%02dT10:%02d:%02dZ\"," \
						"\"host\":\"edge%d\",\"n\":%d}\n", \
						i, 1 + f, host, i % 60, \
						host, i >name
				close(name)
			}
		}
	}'
	zstd -q --rm "$1"/edge3/0_*
	# Lines that are no events: other bytes, no JSON, no end of the line.
	printf 'a\001b\nbad \377 UTF-8\nNUL \000\n{"session_id":"s1"\n\\\n{"session_id":"e","timestamp":"2026-11-01T00:00:00Z"}' \
		>"$1/edge0/9_1000_1795990000000000009.log"
}

need zstd zstd || { echo "check-centre: zstd is missing"; exit 1; }
done=$work/done
make_files "$done"

# --- DuckDB and ClickHouse ---------------------------------------------------

test_duckdb() {
	db=$work/centre.db
	check "DuckDB loads each line" "$stitch/duckdb/load.sh" "$db" "$done"
	check "DuckDB has each event" is 5001 \
		duckdb "$db" -c "SELECT count(*) FROM events"
	check "DuckDB keeps lines that are no events" is 5 \
		duckdb "$db" -c "SELECT count(*) FROM rejected"
	check "a second load into DuckDB adds nothing" is "" \
		"$stitch/duckdb/load.sh" "$db" "$done"
	check "DuckDB has each event once" is "5001|5001" \
		duckdb "$db" -c "SELECT count(*),
			count(DISTINCT (event::VARCHAR, file)) FROM events"
	check "a load that is killed is repeated" killed_load
	check "sessions become sorted Parquet" duckdb "$db" \
		-c "SET VARIABLE parquet = '$work/parquet'" \
		-f "$stitch/duckdb/export.sql"
	check "a session is whole" is 50 session_lines duckdb \
		-c "SET VARIABLE parquet = '$work/parquet'" \
		-c "SET VARIABLE session = 's77'" -f "$stitch/duckdb/session.sql"
}

session_lines() { "$@" | wc -l; }

# SIGKILL at several moments, then a load that must complete the rest.
killed_load() {
	for pause in 0.2 0.4 0.6 0.8; do
		setsid "$stitch/duckdb/load.sh" "$work/killed.db" "$done" &
		sleep "$pause"
		kill -9 -- -$! 2>/dev/null
		wait $! 2>/dev/null
	done
	"$stitch/duckdb/load.sh" "$work/killed.db" "$done" &&
		is 5001 duckdb "$work/killed.db" \
			-c "SELECT count(*) FROM events"
}

# Two hosts, because each file starts the engine anew.
test_clickhouse() {
	export CLICKHOUSE_DATA="$work/clickhouse"
	two=$work/two
	mkdir "$two"
	cp -r "$done/edge0" "$done/edge3" "$two"
	check "ClickHouse's table" clickhouse-client \
		--queries-file="$stitch/clickhouse/schema.sql"
	check "ClickHouse loads each line" "$stitch/clickhouse/load.sh" "$two"
	check "ClickHouse has each line" is 1006 \
		clickhouse-client --query="SELECT count() FROM events"
	check "a second load into ClickHouse skips each file" \
		"$stitch/clickhouse/load.sh" "$two"
	rm -rf "$two/.loaded"
	check "a load without notes runs" "$stitch/clickhouse/load.sh" "$two"
	check "ClickHouse has each line once" is 1006 \
		clickhouse-client --query="SELECT count() FROM events"
	check "ClickHouse keeps lines that are no events" is 5 \
		clickhouse-client \
		--query="SELECT count() FROM events WHERE session_id = ''"
	check "a session is whole" is 10 session_lines clickhouse-client \
		--param_session=s77 --queries-file="$stitch/clickhouse/session.sql"
}

# One process is no cluster: it is one shard, which it reaches without a
# network.  It has a stand-in for a Keeper, so it makes a replicated table, but
# other replicas could not reach it, so nothing is written there.  ON CLUSTER
# needs a server.
cluster_config() {
	cat <<-XML
		<clickhouse>
			<tcp_port>9000</tcp_port>
			<zookeeper>
				<implementation>testkeeper</implementation>
			</zookeeper>
			<macros><shard>1</shard><replica>a</replica></macros>
			<remote_servers><bufwriter><shard>
				<internal_replication>true</internal_replication>
				<replica>
					<host>localhost</host><port>9000</port>
				</replica>
			</shard></bufwriter></remote_servers>
		</clickhouse>
	XML
}

# The file as it is, but for ON CLUSTER.
make_replicated() {
	{
		echo 'CREATE DATABASE replicated; USE replicated;'
		sed 's/ ON CLUSTER bufwriter//' "$stitch/clickhouse/cluster.sql"
		echo '; USE default;'
	} >"$work/replicated.sql"
	clickhouse-client --queries-file="$work/replicated.sql" &&
		is "Distributed ReplicatedMergeTree" engines_of replicated
}

# The same, but the replicated table is a plain one.
make_distributed() {
	sed -e 's/ ON CLUSTER bufwriter//' \
		-e 's/= ReplicatedMergeTree(.*)/= MergeTree/' \
		-e '/replicated_deduplication_window_seconds/d' \
		-e 's/replicated_deduplication_window = \(.*\),/non_&/' \
		-e 's/\(non_repl.*\),/\1;/' \
		"$stitch/clickhouse/cluster.sql" >"$work/distributed.sql"
	clickhouse-client --queries-file="$work/distributed.sql" &&
		is "Distributed MergeTree" engines_of default
}

engines_of() {
	clickhouse-client --query="SELECT engine FROM system.tables WHERE
		database = '$1' AND name LIKE 'events%' ORDER BY name" | xargs
}

test_cluster() {
	export CLICKHOUSE_DATA="$work/cluster" CLICKHOUSE_SOCKET="$work/cluster.s"
	all=$work/all
	mkdir "$all"
	cp -r "$done"/edge* "$all"
	cluster_config >"$work/cluster.xml"
	check "an engine with a cluster" start_clickhouse "$work/cluster.xml"
	check "ClickHouse's replicated tables" make_replicated
	check "ClickHouse's distributed table" make_distributed
	check "the distributed table takes each file" \
		"$stitch/clickhouse/load.sh" "$all"
	check "the distributed table has each line" is 5006 \
		clickhouse-client --query="SELECT count() FROM events"
	rm -rf "$all/.loaded"
	check "it takes each file again" "$stitch/clickhouse/load.sh" "$all"
	check "the distributed table has each line once" is 5006 \
		clickhouse-client --query="SELECT count() FROM events"
	check "a session of the distributed table is whole" is 50 \
		session_lines clickhouse-client --param_session=s77 \
		--queries-file="$stitch/clickhouse/session.sql"
	unset CLICKHOUSE_SOCKET
}

if engines; then
	test_duckdb
	test_clickhouse
	test_cluster
else
	echo "skipped: DuckDB and ClickHouse: npm is not there, or has no network"
fi

# --- NATS JetStream ----------------------------------------------------------

put_all() {
	printf '%s\0' "$work/source"/* |
		"$build/bufwriter-nats" put "$servers" edge edge0
}

# Sends while the first server is killed.
put_while_one_dies() {
	# shellcheck disable=SC2086
	set -- $nats
	for file in "$work/source"/*; do
		printf '%s\0' "$file"
		[ "$file" != "$work/source/2_1000_1795990000000000002.log" ] ||
			kill -9 "$1"
		sleep 0.1
	done | "$build/bufwriter-nats" put "$servers" edge edge0 &&
		is "" ls "$work/source"
}

wait_for_files() {
	i=0
	while [ "$(find "$1" -type f ! -name '.*' 2>/dev/null | wc -l)" -lt "$2" ]; do
		i=$((i + 1))
		[ "$i" -lt 300 ] || return 1
		sleep 0.1
	done
}

start_get() {
	"$build/bufwriter-nats" get "$servers" edge "$work/in" "$work/moved" \
		>"$work/get.log" 2>&1 &
	get=$!
	pids="$pids $get"
}

stop_get() {
	kill "$get" && wait "$get"
}

# With two servers of three that stand still, no stream has a leader.
pause_two() {
	# shellcheck disable=SC2086
	set -- $nats
	kill -STOP "$2" "$3"
	start_get
	sleep 15
	kill -CONT "$2" "$3"
	kill -0 "$get"
}

# A file in place of the directory is like a disk that is full.
get_without_room() {
	mkdir "$work/source"
	: >"$work/in/edge1"
	cp "$done/edge1"/* "$work/source"
	printf '%s\0' "$work/source"/* |
		"$build/bufwriter-nats" put "$servers" edge edge1 || return 1
	sleep 2
	rm "$work/in/edge1"
	wait_for_files "$work/in/edge1" 5 && diff -r "$done/edge1" "$work/in/edge1"
}

# A name on two hosts, and on two hosts of one name.
put_twins() {
	mkdir -p "$work/source"
	for host in edge4 edge5 edge5; do
		twins=$((${twins-0} + 1))
		echo "$twins" >"$work/source/0_1_1795990000000000000.log"
		printf '%s\0' "$work/source"/* |
			"$build/bufwriter-nats" put "$servers" edge "$host" ||
			return 1
	done
	wait_for_files "$work/in/edge4" 1 && wait_for_files "$work/in/edge5" 2 &&
		is "1 2 3" sh -c "cat '$work'/in/edge[45]/* | xargs" &&
		is 1 count_files "$work/in/edge4"
}

test_nats() {
	mkdir "$work/in" "$work/moved"
	start_get
	early=$get
	start_cluster
	check "a stream of three replicas" create_stream
	check "get waits for servers and stream" kill -0 "$early"
	kill -9 "$early"
	check "get waits for a leader" pause_two
	check "get goes on after a file that it could not write" get_without_room
	check "files of one name are kept apart" put_twins
	rm -rf "$work/in"/* "$work/source"
	cp -r "$done/edge0" "$work/source"
	check "files are sent while a server dies" put_while_one_dies
	check "files arrive" wait_for_files "$work/in/edge0" 6
	check "files are whole" diff -r "$done/edge0" "$work/in/edge0"
	kill -9 "$get"
	# The files of a host go to done/; then all are sent again.
	mv "$work/in/edge0" "$work/moved/edge0"
	cp "$done/edge0"/* "$work/source"
	start_get
	check "files are sent again" put_all
	cp "$done/edge2"/0_* "$work/source"
	check "another file is sent" put_all
	check "the other file arrives" wait_for_files "$work/in/edge0" 1
	check "no file arrived twice" is 1 count_files "$work/in/edge0"
	check "get ends with SIGTERM" stop_get
	check "a file that the server does not accept is named" refuses_large
}

count_files() { find "$1" -type f | wc -l; }

refuses_large() {
	head -c 9000000 /dev/zero >"$work/source/7_1_1.log"
	put_all
	[ $? = 65 ] && [ -e "$work/source/7_1_1.log" ]
}

if [ ! -x "$build/bufwriter-nats" ]; then
	echo "skipped: NATS: its client library is not there (libnats-dev)"
elif need nats-server nats-server; then
	test_nats
else
	echo "skipped: NATS: nats-server is not there"
fi

# --- monitoring ---------------------------------------------------------------

if need promtool prometheus && need jq jq && need curl curl &&
	need prometheus-node-exporter prometheus-node-exporter; then
	export BW_BUILD="$build"
	check "alert rules and dashboard" "$here/monitoring.sh"
else
	echo "skipped: monitoring: Prometheus is not there"
fi

echo "check-centre: $passed passed, $failed failed"
[ "$failed" = 0 ]
