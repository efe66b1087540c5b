/* SPDX-License-Identifier: MIT */
/*
 * Numbers and texts of the daemon for people, in `bufwriter status` and
 * `bufwriter top`.  The texts live until SHOW_TEXTS more were made.
 */
#ifndef BUFWRITER_SHOW_H
#define BUFWRITER_SHOW_H

#include <stddef.h>

#define SHOW_TEXTS 32

/* "1.2 MiB" */
const char *show_bytes(double bytes);
/* "12345", "1.2" */
const char *show_rate(double n);
/*
 * "12345"; in thousands, "12.3 M", if that has more than `digits` digits: it
 * takes that many columns, or 6 if that is more.
 */
const char *show_count(double n, int digits);
/* "250 us", "1.2 s", "3 h 4 min", "2 d 3 h" */
const char *show_time(double seconds);
/* A JSON string, safe for a terminal; `none` if there is none. */
const char *show_text(const char *value, const char *none);

/*
 * The value below which the share of a histogram lies (0.5: the median), as
 * the upper bound of its bucket; infinity for the last bucket, negative
 * without a value.  `before` is an older state of it to take away, or NULL.
 */
double show_quantile(const char *histogram, const char *before, double share);

#endif
