# SPDX-License-Identifier: MIT
#
# raw.csv to one tab-separated line for each test, contestant and setting, in
# the order of their first appearance:
#
#  1 test	 2 name		 3 setting	 4 rounds
#  5 rate	 6 rate_taken	 7 p50		 8 p99		 9 p999
# 10 max	11 sender_cpu	12 cpu		13 cpu_rest	14 loop
# 15 others	16 rss_kb	17 start_ms	18 stop_ms	19 whole rounds
# 20 lowest rate 21 highest rate 22 switches	23 anon_kb	24 shmem_kb
# 25 files	26 worst max	27 lowest cpu	28 highest cpu
# 29 foreign CPU share	30 stolen CPU share	31 senders preempted
#
# All of them medians over the rounds unless they say otherwise.
BEGIN { FS = ","; OFS = "\t" }
NR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	next
}
{
	key = $1 OFS $2 OFS $3
	if (!(key in rounds))
		order[++keys] = key
	n = ++rounds[key]
	for (c in column)
		value[key, c, n] = $column[c]
	value[key, "switches", n] = $column["voluntary"] + \
				    $column["involuntary"]
	whole[key] += $column["whole"] == "yes"
}
function sorted(key, c,    i, j, n, t) {
	n = rounds[key]
	for (i = 1; i <= n; i++) {
		t = value[key, c, i] + 0
		for (j = i; j > 1 && s[j - 1] > t; j--)
			s[j] = s[j - 1]
		s[j] = t
	}
	return n
}
function median(key, c,    n) {
	n = sorted(key, c)
	return n % 2 ? s[(n + 1) / 2] : (s[n / 2] + s[n / 2 + 1]) / 2
}
function extreme(key, c, high,    n) {
	n = sorted(key, c)
	return s[high ? n : 1]
}
END {
	for (k = 1; k <= keys; k++) {
		key = order[k]
		print key, rounds[key], median(key, "rate"),
			median(key, "rate_taken"), median(key, "p50"),
			median(key, "p99"), median(key, "p999"),
			median(key, "max"), median(key, "sender_cpu"),
			median(key, "cpu"), median(key, "cpu_rest"),
			median(key, "loop"), median(key, "others"),
			median(key, "rss_kb"), median(key, "start_ms"),
			median(key, "stop_ms"), whole[key],
			extreme(key, "rate", 0), extreme(key, "rate", 1),
			median(key, "switches"), median(key, "anon_kb"),
			median(key, "shmem_kb"), median(key, "files"),
			extreme(key, "max", 1), extreme(key, "cpu", 0),
			extreme(key, "cpu", 1), median(key, "foreign"),
			median(key, "steal"), median(key, "preempted")
	}
}
