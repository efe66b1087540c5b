/* SPDX-License-Identifier: MIT */
/*
 * Numbers and texts of the daemon for people, in `bufwriter status` and
 * `bufwriter top`.  The texts live until FORMAT_TEXTS more were made.
 */
#ifndef BUFWRITER_FORMAT_H
#define BUFWRITER_FORMAT_H

#include <stddef.h>

#define FORMAT_TEXTS 32

/* "1.2 MiB" */
const char *format_bytes(double bytes);
/* "12345", "1.2" */
const char *format_rate(double n);
/*
 * "12345"; in thousands, "12.3 M", if that has more than `digits` digits: it
 * takes that many columns, or 6 if that is more.
 */
const char *format_count(double n, int digits);
/* "250 us", "1.2 s", "3 h 4 min", "2 d 3 h" */
const char *format_time(double seconds);
/* A JSON string, safe for a terminal; `none` if there is none. */
const char *format_text(const char *value, const char *none);

/*
 * The value below which the share of a histogram lies (0.5: the median), as
 * the upper bound of its bucket; infinity for the last bucket, negative
 * without a value.  `before` is an older state of it to take away, or NULL.
 */
double format_quantile(const char *histogram, const char *before, double share);

#endif
