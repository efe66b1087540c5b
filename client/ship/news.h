/* SPDX-License-Identifier: MIT */
/*
 * What the shipper tells: its log, the progress line, and its numbers in files
 * for `bufwriter status` and a textfile collector.  It decides nothing.
 *
 * Loop thread.
 */
#ifndef BUFWRITER_SHIP_NEWS_H
#define BUFWRITER_SHIP_NEWS_H

#include "client/ship/export.h"
#include "client/ship/order.h"
#include "client/ship/scan.h"
#include "client/ship/verdict.h"
#include "conf/config.h"

/* Odd names that are told, each once; more are only counted. */
#define NEWS_NAMES 4096

struct news {
	const struct config *cfg;
	bool once;
	char *status_file; /* beside the control socket, or NULL */
	struct names named;
	bool has_many; /* odd names that were not told; said */
	struct export numbers;
	const char *write_failed[2]; /* said once for each file */
	int64_t started_ms, shown_ms, written_ms;
	int64_t failing_ms, told_ms; /* since when; when it was last told */
	char told[512];
	uint64_t unreadable;
};

/* 0 or -ENOMEM. */
int news_open(struct news *news, const struct config *cfg, bool once);
void news_close(struct news *news);

/* It has the directory now. */
void news_start(struct news *news, const struct order *order);
/* Another shipper has it. */
void news_locked(struct news *news);
/* A scan has ended well, or not. */
void news_scan(struct news *news, const struct scan *scan);
void news_scan_failed(struct news *news, int err);
/* The file has left the directory during a run. */
void news_moved(struct news *news, const struct ship_file *file);
/* Somebody else removed it. */
void news_missing(struct news *news, const struct ship_file *file);
/* Called often. */
void news_progress(struct news *news);
/*
 * A run of so many files has ended; `moved` of them have gone.  `ms` is the
 * pause before the next one.
 */
void news_run(struct news *news, enum export_result result,
	      const struct verdict *v, size_t files, size_t moved, uint64_t ms);
/* This file was set aside. */
void news_aside(struct news *news, const struct ship_file *file,
		const char *why);
/* A file that was set aside has passed after all. */
void news_passed(struct news *news, const char *name);
/* Everything has been shipped. */
void news_idle(struct news *news, uint64_t aside);

#endif
