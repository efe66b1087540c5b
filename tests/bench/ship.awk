# SPDX-License-Identifier: MIT
#
# The lines of ship.sh to medians, and to the medians of each round's ratios.
BEGIN { FS = "," }
{
	n[$1]++
	second[$1, n[$1]] = $2
	third[$1, n[$1]] = $3
}
function median(values, count,    i, j, t) {
	for (i = 2; i <= count; i++)
		for (j = i; j > 1 && values[j - 1] > values[j]; j--) {
			t = values[j]
			values[j] = values[j - 1]
			values[j - 1] = t
		}
	i = int((count + 1) / 2)
	j = int(count / 2) + 1
	return (values[i] + values[j]) / 2
}
function middle(column, name,    i, v) {
	for (i = 1; i <= n[name]; i++)
		v[i] = column[name, i]
	return median(v, n[name])
}
function ratio(column, over, under,    i, v) {
	for (i = 1; i <= n[over]; i++)
		v[i] = column[over, i] / column[under, i]
	return median(v, n[over])
}
END {
	printf "10,000 files of 1 KiB: %.2f s\n", middle(second, "small")
	printf "100 files of 1 MiB: %.0f MiB/s, bare rsync %.0f, ratio %.2f\n",
		middle(third, "large"), middle(third, "bare"),
		ratio(third, "large", "bare")
	printf "messages/s: %.0f, with a shipper %.0f, ratio %.2f\n",
		middle(second, "alone"), middle(second, "shipped"),
		ratio(second, "shipped", "alone")
	printf "p99.9 at 200,000/s: %.0f us, with a shipper %.0f, ratio %.2f\n",
		middle(third, "alone"), middle(third, "shipped"),
		ratio(third, "shipped", "alone")
	printf "the same with 100,000 files that wait: %.0f, %.0f us; ",
		middle(second, "behind"), middle(third, "behind")
	printf "first run after %.2f s\n", middle(second, "first")
	beside("away", "a shipper without a centre")
	beside("back", "a shipper whose centre is back")
}
function beside(name, text) {
	printf "and %s: %.0f, ratio %.2f; %.0f us, ratio %.2f\n", text,
		middle(second, name), ratio(second, name, "behind"),
		middle(third, name), ratio(third, name, "behind")
}
