#!/bin/sh
# SPDX-License-Identifier: MIT
#
#   picture.sh SVG
#
# Draws the picture of the dashboard that systemd/centre/monitoring shows: three
# hosts with a real daemon, shipper and node exporter each, under a load that is
# made up, and a real Prometheus.  picture.py then asks what each panel of
# dashboard.json asks.  Takes three minutes, and needs `make all
# build/failpoints/bufwriterd`, prometheus, prometheus-node-exporter, curl and
# python3.
#
# The hosts live through this:
#
#   edge1  a load that goes up and down
#   edge2  a steady load, and programs that send much more for a moment
#   edge3  a small load and a small disk, which refuses for a while; with
#          files.when_full = delete-oldest
#   all    the centre is away for a while
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(cd "${BW_BUILD:-$top/build}" && pwd)
picture=$1
seconds=${SECONDS_OF_LOAD:-170}
work=$(mktemp -d /tmp/bufwriter-picture.XXXXXX)
pids=
# shellcheck disable=SC2086
trap '[ -z "$pids" ] || kill $pids 2>/dev/null; wait; rm -rf "$work"' EXIT
port=19490

start() {
	"$@" >>"$work/log" 2>&1 &
	pids="$pids $!"
}

# host NAME NUMBER SETTING...
host() {
	dir=$work/$1
	exporter=$((port + $2))
	mkdir -p "$dir/files" "$dir/numbers" "$work/centre/$1"
	cat >"$dir/bufwriter.ini" <<-INI
		[socket]
		path = $dir/sock
		[lanes]
		count = 0
		[files]
		path = $dir/files
		[state]
		path = $dir/state
		[control]
		path = $dir/control
		metrics_file = $dir/numbers/bufwriter.prom
		metrics_interval = 1s
		[ship]
		command = sh $work/to_centre $1 %H
		interval = 2s
		metrics_file = $dir/numbers/ship.prom
	INI
	name=$1
	shift 2
	for setting in "$@"; do
		shift
		set -- "$@" -o "$setting"
	done
	start "$build/failpoints/bufwriterd" -c "$dir/bufwriter.ini" "$@"
	start "$build/bufwriter" ship -c "$dir/bufwriter.ini"
	start prometheus-node-exporter --collector.disable-defaults \
		--collector.textfile --collector.textfile.directory="$dir/numbers" \
		--web.listen-address="127.0.0.1:$exporter"
	cat >>"$work/prometheus.yml" <<-YML
		  - {targets: ["127.0.0.1:$exporter"], labels: {host: $name}}
	YML
}

# send HOST COUNT: so many messages of about 150 bytes
send() {
	seq "$2" | sed "s/.*/{\"session_id\":\"s&\",\"host\":\"$1\",\"event\":\"click\",\"page\":\"a page of the shop that somebody looks at, which has a long name\",\"n\":&}/" |
		"$build/bufwriter" send --quiet --timeout 50ms \
			--socket "$work/$1/sock" >>"$work/log" 2>&1 || :
}

cat >"$work/to_centre" <<SH
[ ! -e $work/away ] || { echo the centre is away >&2; exit 75; }
exec xargs -0 mv -t $work/centre/\$1 --
SH
cat >"$work/prometheus.yml" <<YML
global: {scrape_interval: 1s, evaluation_interval: 1s}
scrape_configs:
- job_name: bufwriter
  static_configs:
YML
host edge1 1 buffer.forced=2s
host edge2 2 buffer.forced=3s buffer.size=256K
BW_FAILPOINTS="flush.write=ENOSPC:$work/full"
export BW_FAILPOINTS
host edge3 3 buffer.forced=1s buffer.workers=1 buffer.size=32K \
	buffer.queue_size=256 buffer.timeout=20ms files.keep=160K \
	files.when_full=delete-oldest
unset BW_FAILPOINTS
start prometheus --config.file="$work/prometheus.yml" \
	--storage.tsdb.path="$work/tsdb" \
	--web.listen-address="127.0.0.1:$port"
tries=0
until curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] || { cat "$work/log"; exit 1; }
	sleep 0.1
done

began=$(date +%s)
second=0
while [ "$second" -lt "$seconds" ]; do
	# A busy machine may pass over a second.
	[ "$second" -lt 60 ] || [ "$second" -ge 95 ] || touch "$work/away"
	[ "$second" -lt 95 ] || rm -f "$work/away"
	[ "$second" -lt 120 ] || [ "$second" -ge 140 ] || touch "$work/full"
	[ "$second" -lt 140 ] || rm -f "$work/full"
	# up and down, twice
	send edge1 $((300 + 1200 * ((second % 80 < 40) ? second % 40 : 40 - second % 40) / 40))
	send edge2 $((700 + ((second % 35 < 4) ? 3000 : 0)))
	send edge3 $((90 + second % 7 * 10))
	now=$(date +%s)
	second=$((now - began + 1))
	until [ "$(date +%s)" -ge $((began + second)) ]; do
		sleep 0.05
	done
done
# rates need some seconds behind them
python3 "$here/picture.py" "$top/systemd/centre/monitoring/dashboard.json" \
	"http://127.0.0.1:$port" $((began + 12)) $((began + seconds)) >"$picture"
echo "$picture: $(wc -c <"$picture") bytes"
