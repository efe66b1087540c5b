/* SPDX-License-Identifier: MIT */
/* See said.h. */
#define _GNU_SOURCE
#include "tests/chaos/said.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

static char wrong[512];

#define WRONG(...) (snprintf(wrong, sizeof(wrong), __VA_ARGS__), wrong)

static void read_drops(const char *line, struct said *s)
{
	const char *at;
	uint64_t n;

	if (strstr(line, " a message of "))
		s->large++;
	at = strstr(line, " messages were larger than ");
	if (at && sscanf(strstr(line, ": ") + 2, "%" SCNu64, &n) == 1)
		s->large += n;
	at = strstr(line, "reading again after ");
	if (at && sscanf(at, "reading again after %*f s; %" SCNu64, &n) == 1)
		s->full += n;
	if (strstr(line, "datagrams are dropped until"))
		s->dropping = true;
}

static void read_deletion(const char *line, struct said *s)
{
	static const char more[] = "files.when_full: deleted %" SCNu64
				   " more files: %" SCNu64 " messages, %" SCNu64
				   " bytes";
	static const char recovery[] =
		"files.when_full: the disk is full; deleted the oldest files: "
		"files=%" SCNu64 " messages=%" SCNu64 " bytes=%" SCNu64;
	const char *at = strstr(line, "files.when_full: "), *why;
	uint64_t n, messages = 0, bytes = 0;

	if (!at || strstr(at, "cannot delete"))
		return;
	if (sscanf(at, more, &n, &messages, &bytes) != 3 &&
	    sscanf(at, recovery, &n, &messages, &bytes) != 3) {
		/* deleted NAME, because WHY: N messages, N bytes */
		n = 1;
		why = strstr(at, ", because ");
		at = why ? strstr(why, ": ") : NULL;
		if (!at)
			return;
		s->deleted.uncounted += !strncmp(at, ": about ", 8);
		at += strcspn(at, "0123456789");
		if (sscanf(at, "%" SCNu64 " messages, %" SCNu64 " bytes",
			   &messages, &bytes) != 2)
			return;
	}
	s->deleted.files += n;
	s->deleted.messages += messages;
	s->deleted.bytes += bytes;
}

static void read_line(const char *line, struct said *s)
{
	const char *at;

	read_drops(line, s);
	read_deletion(line, s);
	s->ready |= strstr(line, "ready: ") != NULL;
	s->incomplete |= strstr(line, "the recovery was not complete") != NULL;
	/* A storm of signals makes more lines than its queue has room for. */
	s->lines_lost |= strstr(line, "lines of the log were lost: ") != NULL;
	at = strstr(line, "recovered: ");
	if (at && sscanf(at,
			 "recovered: messages=%" SCNu64 " files=%" SCNu64
			 " bytes=%" SCNu64,
			 &s->messages, &s->files, &s->bytes) == 3)
		s->recovered = true;
	if (strstr(line, " messages could not be filed") &&
	    (at = strstr(line, "error: ")))
		sscanf(at, "error: %" SCNu64, &s->left);
	s->lanes_left |= strstr(line, " messages in lanes ") != NULL;
	if (strstr(line, "kept and tried again")) {
		s->failures++;
		/* The disk is small, and so are the limits. */
		s->full_disk += strstr(line, "No space left") ||
				strstr(line, "Disk quota");
	}
}

void said_read(struct said *s)
{
	static char line[8192];
	FILE *log = fopen(bed.log, "r");

	memset(s, 0, sizeof(*s));
	/* Killed before it was opened. */
	if (!log)
		return;
	while (fgets(line, sizeof(line), log))
		read_line(line, s);
	fclose(log);
	s->stopped = !daemon_totals(&s->totals);
}

/* "stopped:" against itself, and against the reports before it. */
static const char *check_stopped(const struct said *s, int status)
{
	const struct totals *t = &s->totals;

	if (t->dropped != t->too_large + t->ring_full + t->lane_lost)
		return WRONG("dropped is not the sum of its reasons");
	if (!s->incomplete && t->received != t->written + t->dropped + s->left)
		return WRONG("received=%" PRIu64 " is not written=%" PRIu64
			     " + dropped=%" PRIu64 " + left %" PRIu64,
			     t->received, t->written, t->dropped, s->left);
	if ((status == 0) != (!s->left && !s->lanes_left && !s->incomplete))
		return WRONG("exit status %d with %" PRIu64 " left", status,
			     s->left);
	if (s->lines_lost)
		return NULL;
	if (s->large != t->too_large)
		return WRONG("%" PRIu64 " datagrams reported as too large, "
			     "%" PRIu64 " counted",
			     s->large, t->too_large);
	if (s->full > t->ring_full)
		return WRONG("%" PRIu64 " datagrams reported as dropped, "
			     "%" PRIu64 " counted",
			     s->full, t->ring_full);
	if (s->dropping != (t->ring_full > 0))
		return WRONG("the log %s that datagrams are dropped, but "
			     "%" PRIu64 " were",
			     s->dropping ? "says" : "hides", t->ring_full);
	return NULL;
}

const char *said_check(const struct said *s, int wait_status)
{
	int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;

	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) != SIGKILL &&
	    (WTERMSIG(wait_status) != SIGTERM || s->ready) &&
	    (WTERMSIG(wait_status) != SIGINT || s->ready))
		return WRONG("the daemon died of signal %d",
			     WTERMSIG(wait_status));
	if (status < 0)
		return NULL;
	/* A start without a disk, or without a free descriptor. */
	if ((status == EX_CONFIG || status == EX_OSERR) && !s->ready)
		return NULL;
	if (status != 0 && status != EX_TEMPFAIL)
		return WRONG("exit status %d", status);
	if (!s->stopped)
		return WRONG("exit status %d without a line of numbers",
			     status);
	return check_stopped(s, status);
}
