#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Tests of systemd/centre/monitoring with Prometheus: the alert rules, and every
# query of the dashboard against the numbers of a real daemon and a real
# shipper, by the way that the documentation recommends (textfile collector of
# the node exporter).  run.sh calls this with BW_BUILD set.
set -u
here=$(cd "$(dirname "$0")" && pwd)
monitoring=$here/../../systemd/centre/monitoring
work=$(mktemp -d "$BW_BUILD/centre/monitoring.XXXXXX")
pids=
# shellcheck disable=SC2086
trap '[ -z "$pids" ] || kill $pids 2>/dev/null; wait; rm -rf "$work"' EXIT
prometheus_port=19390
exporter_port=19391

start() {
	"$@" >>"$work/log" 2>&1 &
	pids="$pids $!"
}

cd "$monitoring" || exit 1
promtool check rules alerts.yml || exit 1
promtool test rules alerts_test.yml || exit 1

# The picture shows each panel; picture.sh draws it.
jq -r '.panels[].title' dashboard.json | while IFS= read -r title; do
	grep -qF ">$title</text>" dashboard.svg || {
		echo "dashboard.svg lacks the panel '$title': draw it again"
		exit 1
	}
done || exit 1

mkdir "$work/files" "$work/shipped" "$work/numbers"
cat >"$work/bufwriter.ini" <<INI
[socket]
path = $work/bufwriter.sock
[files]
path = $work/files
prefix = %H-
[state]
path = $work/state
[buffer]
forced = 500ms
[control]
path = $work/control.sock
metrics_file = $work/numbers/bufwriter.prom
metrics_interval = 1s
[ship]
destination = $work/shipped/%H/
command = rsync -a --remove-source-files --from0 --files-from=- %s %d
interval = 1s
metrics_file = $work/numbers/ship.prom
INI
cat >"$work/prometheus.yml" <<YML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$monitoring/alerts.yml]
scrape_configs:
  - job_name: bufwriter
    static_configs:
      - targets: ["127.0.0.1:$exporter_port"]
        labels: {host: edge1}
YML
mkdir "$work/shipped/$(hostname)"
start "$BW_BUILD/bufwriterd" -c "$work/bufwriter.ini"
start "$BW_BUILD/bufwriter" ship -c "$work/bufwriter.ini"
start prometheus-node-exporter --collector.disable-defaults \
	--collector.textfile --collector.textfile.directory="$work/numbers" \
	--web.listen-address=127.0.0.1:$exporter_port
start prometheus --config.file="$work/prometheus.yml" \
	--storage.tsdb.path="$work/tsdb" \
	--web.listen-address=127.0.0.1:$prometheus_port

# The answer of Prometheus to a query.
query() {
	curl -s -G "http://127.0.0.1:$prometheus_port/api/v1/query" \
		--data-urlencode "query=$1"
}

# True if each query of the dashboard has an answer with a number in it.
all_answer() {
	jq -r '.panels[].targets[]?.expr' dashboard.json |
		sed -e 's/[$]host/.*/g; s/[$]stream/.*/g' \
			-e 's/[$]__rate_interval/30s/g' >"$work/queries"
	: >"$work/unanswered"
	while IFS= read -r expr; do
		query "$expr" | jq -e '.status == "success" and
			(.data.result | length) > 0' >/dev/null 2>&1 ||
			echo "$expr" >>"$work/unanswered"
	done <"$work/queries"
	[ -s "$work/queries" ] && [ ! -s "$work/unanswered" ]
}

tries=0
until all_answer; do
	tries=$((tries + 1))
	if [ "$tries" = 60 ]; then
		echo "no answer to:"
		cat "$work/unanswered"
		tail -n 20 "$work/log"
		exit 1
	fi
	BUFWRITER_SOCKET=$work/bufwriter.sock "$BW_BUILD/bufwriter" send \
		"message $tries" >>"$work/log" 2>&1
	sleep 1
done
echo "$(wc -l <"$work/queries") queries answered"
