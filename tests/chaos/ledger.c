/* SPDX-License-Identifier: MIT */
/* See ledger.h. */
#define _GNU_SOURCE
#include "tests/chaos/ledger.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "tests/lib/bed.h"

const char *const ledger_suffix[3] = { ".newline", ".none", ".length" };

/* What a life said. */
struct said {
	bool ready, stopped, recovered, incomplete;
	struct totals totals;
	uint64_t left;
	uint64_t messages, files, bytes; /* recovered */
	uint64_t large, full;		 /* in reports of drops */
	bool dropping;			 /* it said that it drops */
	unsigned failures, full_disk;
};

struct ledger ledger;

static uint32_t max_message;
static struct tally tally;
static char wrong[1024];

/* sums over all lives */
static uint64_t written, files, bytes, too_large, ring_full;
/* a life was killed: written, files and bytes say too little */
static bool killed;
/* the next life recovers so many, if that is known */
static uint64_t left;
static bool left_is_known;

#define WRONG(...) (snprintf(wrong, sizeof(wrong), __VA_ARGS__), wrong)

void ledger_open(const struct plan *plan)
{
	tally_open(&tally);
	max_message = plan->max_message;
	left_is_known = true;
}

/* -- a life -------------------------------------------------------------- */

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

static void read_line(const char *line, struct said *s)
{
	const char *at;

	read_drops(line, s);
	s->ready |= strstr(line, "ready: ") != NULL;
	s->incomplete |= strstr(line, "the recovery was not complete") != NULL;
	at = strstr(line, "recovered: ");
	if (at && sscanf(at,
			 "recovered: messages=%" SCNu64 " files=%" SCNu64
			 " bytes=%" SCNu64,
			 &s->messages, &s->files, &s->bytes) == 3)
		s->recovered = true;
	if (strstr(line, " messages could not be filed") &&
	    (at = strstr(line, "error: ")))
		sscanf(at, "error: %" SCNu64, &s->left);
	if (strstr(line, "kept and tried again")) {
		s->failures++;
		/* The disk is small. */
		s->full_disk += strstr(line, "No space left") != NULL;
	}
}

static void read_log(struct said *s)
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
	bool hung = status == EX_TEMPFAIL;

	if (t->dropped != t->too_large + t->ring_full)
		return WRONG("dropped is not the sum of its reasons");
	if (!s->incomplete && t->received != t->written + t->dropped + s->left)
		return WRONG("received=%" PRIu64 " is not written=%" PRIu64
			     " + dropped=%" PRIu64 " + left %" PRIu64,
			     t->received, t->written, t->dropped, s->left);
	if (s->large > t->too_large || (!hung && s->large != t->too_large))
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
	if ((status == 0) != (!s->left && !s->incomplete))
		return WRONG("exit status %d with %" PRIu64 " left", status,
			     s->left);
	return NULL;
}

static const char *check_recovered(const struct said *s)
{
	if (!left_is_known || !s->ready)
		return NULL;
	/* What hung at the disk at the last count may have come through. */
	if (s->messages > left || (!left && s->recovered))
		return WRONG("%" PRIu64 " messages recovered where %" PRIu64
			     " were left",
			     s->messages, left);
	return NULL;
}

static const char *check_exit(const struct said *s, int wait_status)
{
	int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;

	if (status < 0)
		return NULL;
	if (status == EX_CONFIG && !s->ready)
		return NULL;
	if (status != 0 && status != EX_TEMPFAIL)
		return WRONG("exit status %d", status);
	if (!s->stopped)
		return WRONG("exit status %d without a line of numbers",
			     status);
	return check_stopped(s, status);
}

const char *ledger_life(const struct life *life, int wait_status,
			const struct drops *drops, bool faults)
{
	const char *found = NULL;
	struct said s;

	(void)life;
	read_log(&s);
	ledger.failures += s.failures;
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) != SIGKILL &&
	    (WTERMSIG(wait_status) != SIGTERM || s.ready) &&
	    (WTERMSIG(wait_status) != SIGINT || s.ready))
		return WRONG("the daemon died of signal %d",
			     WTERMSIG(wait_status));
	found = check_exit(&s, wait_status);
	if (!found)
		found = check_recovered(&s);
	if (!found && !faults && s.failures > s.full_disk)
		found = WRONG("a flush failed without a fault");
	files += s.files;
	bytes += s.bytes;
	written += s.messages;
	left_is_known = s.stopped && s.ready;
	left = s.left;
	if (s.stopped) {
		files += s.totals.files;
		bytes += s.totals.bytes;
		written += s.totals.written;
		too_large += s.totals.too_large;
		ring_full += s.totals.ring_full;
	} else {
		too_large += drops->too_large;
		ring_full += drops->ring_full;
	}
	/* A recovery that was cut off does not say what it has filed. */
	killed |= !s.stopped || s.incomplete || s.left;
	return found;
}

/* -- all of it ----------------------------------------------------------- */

void ledger_expect(const struct sender *sender)
{
	static uint8_t buf[FLOW_LARGEST];
	uint64_t i, n = sender->flow.count;
	size_t len;

	for (i = 0; i < n; i++) {
		len = flow_message(&sender->flow, i, buf);
		if (len > max_message)
			ledger.too_large++;
		else
			tally_expect(&tally, buf, len);
	}
	ledger.sent += n;
}

/* A text message has no NUL, and a length of four bytes ends in one. */
static enum framing find_framing(const char *data, size_t len)
{
	const char *end;

	if (len >= 4 && !data[3])
		return LENGTH;
	end = data[0] == '[' ? memchr(data, ']', len) : data;
	return end && end + 1 < data + len && end[1] == '\n' ? NEWLINE : NONE;
}

void ledger_file(const char *path, const char *name)
{
	size_t len;
	char *data = file_read(path, &len);
	const char *suffix = strchr(name, '.');
	size_t suffix_len;
	enum framing framing;
	const char *why;

	tally.files++;
	tally.bytes += len;
	data = file_unpack(name, data, &len, &why);
	if (!data) {
		tally.torn++;
		return;
	}
	framing = find_framing(data, len);
	suffix_len = strlen(ledger_suffix[framing]);
	if (!suffix || strncmp(suffix, ledger_suffix[framing], suffix_len) ||
	    (suffix[suffix_len] && strcmp(suffix + suffix_len, ".zst")))
		ledger.misnamed++;
	tally_take(&tally, name, framing, data, len);
	free(data);
}

static const char *judge_sums(void)
{
	uint64_t missing = tally.lost;

	/* A drop before the size is known counts as ring_full. */
	if (ring_full < missing || ring_full > missing + ledger.too_large)
		return WRONG("%" PRIu64 " messages are in no file, and "
			     "%" PRIu64 " were dropped (%" PRIu64
			     " too large): %" PRIu64 " of %" PRIu64 " sent "
			     "are above max_message",
			     missing, ring_full, too_large, ledger.too_large,
			     ledger.sent);
	if (too_large > ledger.too_large)
		return WRONG("%" PRIu64 " dropped as too large, of %" PRIu64,
			     too_large, ledger.too_large);
	if (killed)
		return NULL;
	if (missing + ledger.too_large != ring_full + too_large)
		return WRONG("%" PRIu64 " messages are in no file, and "
			     "%" PRIu64 " were dropped",
			     missing + ledger.too_large, ring_full + too_large);
	if (written != tally.found || files != tally.files ||
	    bytes != tally.bytes)
		return WRONG("the log speaks of %" PRIu64 " messages, %" PRIu64
			     " files, %" PRIu64 " bytes; there are %" PRIu64
			     ", %" PRIu64 ", %" PRIu64,
			     written, files, bytes, tally.found, tally.files,
			     tally.bytes);
	return NULL;
}

const char *ledger_judge(void)
{
	tally_judge(&tally);
	ledger.files = tally.files;
	ledger.messages = tally.found;
	ledger.dropped = ring_full + too_large;
	if (tally.torn || tally.doubled)
		return WRONG("of %" PRIu64 " sent: %" PRIu64
			     " doubled, %" PRIu64 " torn, %" PRIu64
			     " in no file, %" PRIu64 " dropped; %s",
			     ledger.sent, tally.doubled, tally.torn, tally.lost,
			     ring_full + too_large, tally.first);
	return judge_sums();
}
