#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lanes.csv, as lanes.sh writes it, to the tables of report.md.
#
# Usage: lanes_report.sh CSV
set -eu
awk -F, '
function median(key,    n, i, j, t) {
	n = count[key]
	for (i = 1; i <= n; i++) {
		t = value[key, i] + 0
		for (j = i; j > 1 && s[j - 1] > t; j--)
			s[j] = s[j - 1]
		s[j] = t
	}
	return n ? (n % 2 ? s[(n + 1) / 2] : (s[n / 2] + s[n / 2 + 1]) / 2) : 0
}
function add(key, v) { value[key, ++count[key]] = v }
function of(test, name, column) { return median(test " " name " " column) }
function whole(test, name,    key) {
	key = test " " name
	return wrong[key] ? "no, in " wrong[key] " rounds" : "yes"
}
function ratio(a, b) { return b ? a / b : 0 }
function goal(what, is, sign, wanted, unit,    holds) {
	holds = sign == "≤" ? (is <= wanted) : (is >= wanted)
	printf "| %s | %s %s%s | %.4g%s | %s |\n", what, sign, wanted, unit,
		is, unit, (holds ? "holds" : "**short**")
}
{
	if (!seen[$2]++)
		order[++names] = $2
	for (i = 4; i <= NF; i++)
		add($1 " " $2 " " i, $i)
}
$1 == "rate" || $1 ~ /^paced/ {
	wrong[$1 " " $2] += !($6 == $16 && $17 == 0 && $18 == 0 && $7 == 0)
	cost[$2] = $14
}
$1 == "kill" {
	lost[$2] += ($4 > $5) ? $4 - $5 : 0
	returned[$2] += $4
	doubled[$2] += $6
	torn[$2] += $7
}
$1 == "seq" { seq_lines[$5]++ }
function latencies(test, title,    i, n) {
	print "## " title "\n"
	print "| | p50 ns | p99 ns | p99.9 ns | p99.99 ns | max µs | " \
		"calls/s | caller CPU ns | daemon CPU ns | all in files |"
	print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | " \
		"---: | --- |"
	for (i = 1; i <= names; i++) {
		n = order[i]
		if (!count[test " " n " 4"])
			continue
		printf "| %s | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | " \
			"%.0f | %.0f | %s |\n", n, of(test, n, 8),
			of(test, n, 9), of(test, n, 10), of(test, n, 11),
			of(test, n, 12) / 1000, of(test, n, 4),
			of(test, n, 13) * 1000, of(test, n, 15) * 1000,
			whole(test, n)
	}
	print ""
}
function beside(how, title,    test, i, n) {
	test = "beside-" how
	print "\n## " title " beside another process\n"
	print "| the other one | p50 µs | p99 µs | p99.9 µs | max µs | " \
		"p99.9 / beside nobody | / beside datagrams | " \
		"daemon MB | its descriptors |"
	print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
	for (i = 1; i <= names; i++) {
		n = order[i]
		if (!count[test " " n " 4"])
			continue
		printf "| %s | %.2f | %.2f | %.2f | %.0f | %.2f | %.2f | " \
			"%.1f | %d |\n", n, of(test, n, 8) / 1e3,
			of(test, n, 9) / 1e3, of(test, n, 10) / 1e3,
			of(test, n, 12) / 1e3,
			ratio(of(test, n, 10), of(test, "nobody", 10)),
			ratio(of(test, n, 10), of(test, "datagram", 10)),
			of(test, n, 15) / 1024, of(test, n, 16)
	}
}
END {
	if (!count["rate lane 4"]) {
		beside("datagram", "A datagram sender at 100,000/s")
		beside("lane", "A lane at 100,000/s")
		exit
	}
	print "## Rate: two processes (gochan: two threads), not paced\n"
	print "| | calls/s | into files/s | caller CPU ns | daemon CPU ns |" \
		" all in files |"
	print "| --- | ---: | ---: | ---: | ---: | --- |"
	for (i = 1; i <= names; i++) {
		n = order[i]
		if (!count["rate " n " 4"])
			continue
		printf "| %s | %.0f | %.0f | %.0f | %.0f | %s |\n", n,
			of("rate", n, 4), of("rate", n, 5),
			of("rate", n, 13) * 1000, of("rate", n, 15) * 1000,
			whole("rate", n)
	}
	print ""
	latencies("paced1", "A call, one thread, 1,000,000/s")
	latencies("paced2", "A call, two threads on one handle, 1,000,000/s")
	print "A datagram cannot keep this pace: its sender is then never idle."
	printf "The cost of reading the clock twice is subtracted: " \
		"%.0f ns (C), %.0f ns (Go).\n\n", cost["lane"], cost["gochan"]
	print "## SIGKILL of the caller after 0.4 s, two threads, 1,000,000/s\n"
	print "| | calls that had returned | of them lost | doubled | torn |"
	print "| --- | ---: | ---: | ---: | ---: |"
	for (i = 1; i <= names; i++) {
		n = order[i]
		if (n in returned)
			printf "| %s | %d | %d | %d | %d |\n", n, returned[n],
				lost[n], doubled[n], torn[n]
	}
	beside("datagram", "A datagram sender at 100,000/s")
	beside("lane", "A lane at 100,000/s")
	print "\n## Goals\n"
	print "| measure | goal | is | |"
	print "| --- | --- | ---: | --- |"
	p50 = of("paced1", "lane", 8)
	p99 = of("paced1", "lane", 9)
	p999 = of("paced1", "lane", 10)
	rate = of("rate", "lane", 5)
	goal("one thread, p50", p50, "≤", 25, " ns")
	goal("one thread, p99", p99, "≤", 150, " ns")
	goal("one thread, p99.9", p999, "≤", 1000, " ns")
	goal("two threads, p50", of("paced2", "lane", 8), "≤", 40, " ns")
	goal("two processes into files", rate / 1e6, "≥", 8, " M/s")
	goal("times the rate of datagrams", \
		ratio(rate, of("rate", "datagram", 5)), "≥", 12, "")
	for (i = 1; i <= names; i++) {
		n = order[i]
		if ((n != "gochan" && n != "spdlog") || \
		    !count["paced1 " n " 4"])
			continue
		goal("p50 of " n " / of a lane", \
			ratio(of("paced1", n, 8), p50), "≥", 1, "")
		goal("p99.9 of " n " / of a lane", \
			ratio(of("paced1", n, 10), p999), "≥", 1, "")
		goal("rate of a lane / of " n, \
			ratio(rate, of("rate", n, 5)), "≥", 1, "")
	}
	goal("CPU of the daemon at full speed", \
		of("rate", "lane", 15) * 1000, "≤", 100, " ns")
	goal("`seq` through `bufwriter send`", \
		of("seq", "send", 4) / 1e6, "≥", 5, " M lines/s")
	goal("p99.9 of datagrams beside a lane / beside datagrams", \
		ratio(of("beside-datagram", "lane", 10), \
			of("beside-datagram", "datagram", 10)), \
		"≤", 1.5, "")
	printf "\n- lines of `seq` in files, by rounds:"
	for (n in seq_lines)
		printf " %d (%d)", n, seq_lines[n]
	printf "\n- an idle program: anonymous memory %d kB (datagrams only), " \
		"%d kB (default), %d kB (with a lane)\n",
		of("idle", "datagram", 4), of("idle", "auto", 4),
		of("idle", "lane", 4)
}' "$1"
