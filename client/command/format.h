/* SPDX-License-Identifier: MIT */
/*
 * Formats the daemon's numbers and texts for people, in `bufwriter status` and
 * `bufwriter top`.
 *
 * Single-threaded.  A text that is returned is static memory.  It is valid
 * until FORMAT_TEXTS further texts have been made.
 */
#ifndef BUFWRITER_FORMAT_H
#define BUFWRITER_FORMAT_H

#include <stddef.h>

#define FORMAT_TEXTS 32

/* "1.2 MiB" */
const char *format_bytes(double bytes);
/* A number a second, or a total: "12345", "1.2" */
const char *format_rate(double n);
/*
 * "12345"; or "12.3 M" if the number has more than `digits` digits.  The text
 * has at most `digits` columns, or 6 if that is more.
 */
const char *format_count(double n, int digits);
/* "250 us", "1.2 s", "3 h 4 min", "2 d 3 h" */
const char *format_time(double seconds);
/*
 * Copies a JSON string as json_string() does, but without control characters,
 * so that it is one line and safe for a terminal.
 */
void format_copy(const char *value, char *out, size_t room);
/* A process chose this text: leaves only what any terminal shows as it is. */
void format_safe(char *text);
/* The same as a text; `none` if `value` is not a string. */
const char *format_text(const char *value, const char *none);

/*
 * The quantile of a histogram in the daemon's status (share 0.5: the median),
 * in the histogram's unit.  The result is the upper bound of the bucket that
 * holds the quantile: infinity for the last bucket, negative if the histogram
 * is empty.  With `before`, an older state of the histogram, only the values
 * that came since then count; it may be NULL.
 */
double format_quantile(const char *histogram, const char *before, double share);

#endif
