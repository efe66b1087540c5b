/* SPDX-License-Identifier: MIT */
/* See format.h. */
#include <math.h>
#include <stdio.h>

#include "client/command/json.h"
#include "client/command/format.h"

static char *next_text(size_t *room)
{
	static char texts[FORMAT_TEXTS][256];
	static unsigned next;

	*room = sizeof(texts[0]);
	return texts[next++ % FORMAT_TEXTS];
}

const char *format_bytes(double bytes)
{
	static const char *const units[] = { "B",   "KiB", "MiB",
					     "GiB", "TiB", "PiB" };
	size_t room, i = 0;
	char *out = next_text(&room);

	/* 1023.96 would be printed as 1024.0. */
	while (bytes >= 1023.95 && i < 5) {
		bytes /= 1024;
		i++;
	}
	snprintf(out, room, "%.*f %s", i && bytes < 99.95 ? 1 : 0, bytes,
		 units[i]);
	return out;
}

const char *format_rate(double n)
{
	size_t room;
	char *out = next_text(&room);

	/* A total of 3 is printed as 3 and not as 3.0. */
	snprintf(out, room, "%.*f", n > 0 && n < 9.95 && n > (int)n ? 1 : 0, n);
	return out;
}

const char *format_count(double n, int digits)
{
	static const char *const units[] = { "k", "M", "G", "T", "P", "E" };
	size_t room, i = 0;
	char *out = next_text(&room);

	if (snprintf(out, room, "%.0f", n) <= digits)
		return out;
	/* 999.96 would be printed as 1000. */
	for (n /= 1000; n >= 999.5 && i < 5; i++)
		n /= 1000;
	snprintf(out, room, "%.*f %s", n < 99.95 ? 1 : 0, n, units[i]);
	return out;
}

/* Without the fraction.  A number that no integer can hold is cut. */
static unsigned long long whole(double n)
{
	return n < 1e19 ? (unsigned long long)n : 10000000000000000000u;
}

const char *format_time(double seconds)
{
	size_t room;
	char *out = next_text(&room);
	unsigned long long s = seconds > 0 ? whole(seconds) : 0;

	if (seconds < 0.001)
		snprintf(out, room, "%.0f us", seconds * 1e6);
	else if (seconds < 1)
		snprintf(out, room, "%.0f ms", seconds * 1e3);
	else if (seconds < 60)
		snprintf(out, room, "%.1f s", seconds);
	else if (s < 3600)
		snprintf(out, room, "%llu min %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, room, "%llu h %llu min", s / 3600, s % 3600 / 60);
	else
		snprintf(out, room, "%llu d %llu h", s / 86400,
			 s % 86400 / 3600);
	return out;
}

void format_copy(const char *value, char *out, size_t room)
{
	json_string(value, out, room);
	for (; *out; out++)
		if ((unsigned char)*out < ' ' || *out == 0x7f)
			*out = '?';
}

void format_safe(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

const char *format_text(const char *value, const char *none)
{
	size_t room;
	char *out = next_text(&room);

	if (!json_is_string(value))
		return none;
	format_copy(value, out, room);
	return out;
}

/* How many values came into bucket i since `before`. */
static double counted(const char *histogram, const char *before, unsigned i)
{
	return json_number(json_item(json_at(histogram, "counts"), i)) -
	       json_number(json_item(json_at(before, "counts"), i));
}

double format_quantile(const char *histogram, const char *before, double share)
{
	const char *counts = json_at(histogram, "counts");
	const char *bounds = json_at(histogram, "le");
	double all = 0, sum = 0;
	unsigned i, n;

	for (n = 0; json_item(counts, n); n++)
		all += counted(histogram, before, n);
	if (!(all > 0))
		return -1;
	for (i = 0; i < n; i++) {
		sum += counted(histogram, before, i);
		if (sum >= share * all)
			break;
	}
	if (!json_item(bounds, i))
		return INFINITY;
	return json_number(json_item(bounds, i));
}
