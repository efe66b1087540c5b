#!/bin/sh
# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# Sourced by the test and the benchmark of the centre's recipes: the engines.
# Set before: here (this directory), build, work (a directory for this run).
# pids has what is to be killed at the end.

need() {
	command -v "$1" >/dev/null && return 0
	[ "$(id -u)" = 0 ] || return 1
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends "$2" >"$work/apt" 2>&1
}

# --- from npm ----------------------------------------------------------------

shim() {
	printf '#!/bin/sh\nNODE_PATH=%s exec node %s "$@"\n' \
		"$build/centre/node_modules" "$here/$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# The commands of DuckDB and ClickHouse, or 1.
engines() {
	command -v npm >/dev/null || return 1
	[ -d "$build/centre/node_modules/chdb" ] ||
		(mkdir -p "$build/centre" && cd "$build/centre" &&
			npm install --no-save --no-audit --no-fund --silent \
				@duckdb/node-api@1.5.6-r.1 chdb@3.4.0) ||
		return 1
	mkdir "$work/bin"
	shim duckdb duckdb.js
	shim clickhouse-client clickhouse-client.js
	PATH=$work/bin:$PATH
}

# start_clickhouse CONFIG: an engine that stays, as a server does
start_clickhouse() {
	clickhouse-client serve "$CLICKHOUSE_SOCKET" "$1" &
	pids="$pids $!"
	i=0
	until [ -S "$CLICKHOUSE_SOCKET" ]; do
		i=$((i + 1))
		[ "$i" -lt 300 ] || return 1
		sleep 0.1
	done
}

# --- NATS JetStream ----------------------------------------------------------

# Three servers on loopback.
servers=nats://127.0.0.1:14241,nats://127.0.0.1:14242,nats://127.0.0.1:14243
start_cluster() {
	nats=
	routes=nats://127.0.0.1:16241,nats://127.0.0.1:16242,nats://127.0.0.1:16243
	for i in 1 2 3; do
		cat >"$work/nats$i.conf" <<CONF
server_name: n$i
listen: 127.0.0.1:1424$i
max_payload: 8MB
jetstream { store_dir: "$work/js$i" }
cluster { name: test, listen: 127.0.0.1:1624$i, routes: [$routes] }
CONF
		nats-server -c "$work/nats$i.conf" >"$work/nats$i.log" 2>&1 &
		pids="$pids $!"
		nats="$nats $!"
	done
}

create_stream() {
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		"$build/bufwriter-nats" create "$servers" edge 3 && return 0
		sleep 1
	done
	return 1
}
