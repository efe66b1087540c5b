/* SPDX-License-Identifier: MIT */
/* See rest.h. */
#define _GNU_SOURCE
#include "tests/chaos/rest.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "client/command/json.h"
#include "tests/chaos/crowd.h"
#include "tests/chaos/deeds.h"
#include "tests/chaos/round.h"
#include "tests/lib/files.h"

/* What a daemon at rest may hold more than before it had work. */
#define SLACK_KB 1024
/* What such a daemon holds for a moment, it does not hold at each look. */
#define LOOKS 60
#define LOOK_US 5000

struct held {
	unsigned descriptors, threads;
	uint64_t memory_kb;
};

static struct held before, held;

unsigned rest_descriptors(void)
{
	return files_count(bed_text("/proc/%d/fd", (int)bed.pid));
}

static void measure(struct held *h)
{
	int pid = bed.pid;
	FILE *status = fopen(bed_text("/proc/%d/status", pid), "r");
	char line[256];

	h->descriptors = rest_descriptors();
	h->threads = files_count(bed_text("/proc/%d/task", pid));
	h->memory_kb = 0;
	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "RssAnon: %" SCNu64, &h->memory_kb);
	if (status)
		fclose(status);
}

static uint64_t status_count(const char *path)
{
	const char *why, *status = crowd_ask("status", &why);

	REQUIRE(status, "status: %s", why);
	return json_count(json_at(status, path));
}

/* The lanes of programs that were killed end when they are read. */
static void come_to_rest(void)
{
	UNTIL(bed_queue_empty());
	UNTIL(!status_count("gauges.lanes_open"));
	deeds_ask("flush 60000");
	crowd_hold_watcher(true);
}

void rest_begin(void)
{
	unsigned i;

	come_to_rest();
	measure(&before);
	for (i = 0; i < LOOKS; i++) {
		usleep(LOOK_US);
		measure(&held);
		if (held.descriptors < before.descriptors)
			before = held;
	}
	crowd_hold_watcher(false);
}

static bool is_as_before(void)
{
	measure(&held);
	return held.descriptors <= before.descriptors &&
	       held.threads <= before.threads &&
	       (suite_sanitized() ||
		held.memory_kb <= before.memory_kb + SLACK_KB);
}

/* For whoever looks into a failure. */
static void list_descriptors(void)
{
	const char *path = bed_text("/proc/%d/fd", (int)bed.pid);
	const struct dirent *entry;
	DIR *dir = opendir(path);
	char to[256];
	ssize_t n;

	while (dir && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, to, sizeof(to));
		if (n > 0)
			fprintf(stderr, "descriptor %s: %.*s\n", entry->d_name,
				(int)n, to);
	}
	if (dir)
		closedir(dir);
}

void rest_end(void)
{
	unsigned i;

	come_to_rest();
	/* Connections end, and old settings are freed, within moments. */
	for (i = 0; i < 5000 && !is_as_before(); i++)
		usleep(1000);
	if (!is_as_before())
		list_descriptors();
	REQUIRE(is_as_before(),
		"descriptors %u, then %u; threads %u, then %u; memory %" PRIu64
		" K, then %" PRIu64 " K",
		before.descriptors, held.descriptors, before.threads,
		held.threads, before.memory_kb, held.memory_kb);
}

long rest_growth(void)
{
	return (long)held.memory_kb - (long)before.memory_kb;
}
