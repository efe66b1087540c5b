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

#include "tests/chaos/content.h"
#include "tests/chaos/said.h"
#include "tests/chaos/stranger.h"
#include "tests/lib/bed.h"

struct ledger ledger;

static uint32_t max_message;
static struct tally tally;
static char wrong[1024];

/* sums over all lives */
static uint64_t written, files, bytes, too_large, ring_full;
static uint64_t deleted_files, deleted_messages, deleted_bytes;
/* a deleted file did not say how many messages it had, or the log's line lacks */
static bool uncounted;
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

const char *ledger_life(int wait_status, const struct drops *drops, bool faults,
			bool deletes)
{
	const char *found;
	struct said s;

	said_read(&s);
	ledger.failures += s.failures;
	found = said_check(&s, wait_status);
	if (!found)
		found = check_recovered(&s);
	if (!found && !faults && s.failures > s.full_disk)
		found = WRONG("a flush failed without a fault");
	files += s.files;
	bytes += s.bytes;
	written += s.messages;
	deleted_files += s.deleted.files;
	deleted_messages += s.deleted.messages;
	deleted_bytes += s.deleted.bytes;
	uncounted |= s.deleted.uncounted > 0 || (s.lines_lost && deletes);
	left_is_known = s.stopped && s.ready;
	left = s.left;
	if (s.stopped) {
		files += s.totals.files;
		bytes += s.totals.bytes;
		written += s.totals.written;
		too_large += s.totals.too_large;
		/* No state.path is so full that a copy has no room. */
		ring_full += s.totals.ring_full + s.totals.lane_lost;
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
	const char *header = sender->flow.header;
	size_t head = header ? strlen(header) : 0, len;
	uint64_t i, n = sender->flow.count;

	for (i = 0; i < n; i++) {
		len = flow_message(&sender->flow, i, buf);
		if (head + len > max_message)
			ledger.too_large++;
		else
			tally_expect(&tally, buf, len);
	}
	ledger.sent += n;
}

const char *ledger_expect_others(const struct plan *plan)
{
	const char *found = writers_expect(plan, &tally, &ledger.writers);

	ledger.sent += ledger.writers.taken + stranger_expect(&tally);
	return found;
}

/* For whoever looks into a failure: which messages of a flow are wrong. */
static void list_flow(const struct flow *flow, uint64_t count, const char *who)
{
	static uint8_t buf[WRITERS_LARGEST];
	uint64_t i, lacks = 0, doubles = 0, first = 0, last = 0;
	bool bad;
	size_t len;

	for (i = 0; i < count; i++) {
		len = flow_message(flow, i, buf);
		lacks += tally_lacks(&tally, buf, len);
		doubles += tally_doubles(&tally, buf, len);
		bad = tally_lacks(&tally, buf, len) ||
		      tally_doubles(&tally, buf, len);
		if (bad && lacks + doubles == 1)
			first = i;
		if (bad)
			last = i;
	}
	if (lacks || doubles)
		fprintf(stderr,
			"%s %u: of %" PRIu64 " messages %" PRIu64
			" lack, %" PRIu64 " doubled, number %" PRIu64
			" to %" PRIu64 "\n",
			who, flow->id, count, lacks, doubles, first, last);
}

void ledger_list(const struct plan *plan, struct sender *const *senders)
{
	unsigned i;

	for (i = 0; i < plan->flows; i++)
		list_flow(&senders[i]->flow, senders[i]->flow.count, "sender");
	for (i = 0; i < plan->writers; i++)
		list_flow(&plan->writer[i].flow, writers_count(i), "writer");
}

void ledger_file(const char *path, const char *name)
{
	size_t len;
	char *data = file_read(path, &len);
	const char *why;

	tally.files++;
	tally.bytes += len;
	data = file_unpack(name, data, &len, &why);
	if (!data) {
		tally.torn++;
		return;
	}
	if (!content_read(&tally, name, data, len))
		ledger.misnamed++;
	free(data);
}

/* Messages in no file, and why: dropped, deleted, or never there. */
static const char *judge_missing(void)
{
	uint64_t missing = tally.lost, gone = ring_full + deleted_messages;

	/*
	 * A drop before the size is known counts as ring_full.  What a program
	 * wrote when it was killed may have been dropped or deleted, too.
	 */
	if (gone < missing || gone > missing + ledger.too_large + tally.maybe)
		return WRONG("%" PRIu64 " messages are in no file, %" PRIu64
			     " were dropped (%" PRIu64 " too large) and "
			     "%" PRIu64 " deleted: %" PRIu64 " of %" PRIu64
			     " sent are above max_message, %" PRIu64
			     " are in doubt",
			     missing, ring_full, too_large, deleted_messages,
			     ledger.too_large, ledger.sent, tally.maybe);
	if (too_large > ledger.too_large)
		return WRONG("%" PRIu64 " dropped as too large, of %" PRIu64,
			     too_large, ledger.too_large);
	return NULL;
}

static const char *judge_sums(void)
{
	uint64_t all = tally.lost + ledger.too_large;
	uint64_t gone = ring_full + too_large + deleted_messages;
	const char *found = uncounted ? NULL : judge_missing();

	if (found || killed || uncounted)
		return found;
	if (gone < all || gone > all + tally.maybe)
		return WRONG("%" PRIu64 " messages are in no file, and "
			     "%" PRIu64 " were dropped or deleted",
			     all, gone);
	if (written != tally.found + deleted_messages ||
	    files != tally.files + deleted_files ||
	    bytes != tally.bytes + deleted_bytes)
		return WRONG("the log speaks of %" PRIu64 " messages, %" PRIu64
			     " files, %" PRIu64 " bytes; there are %" PRIu64
			     ", %" PRIu64 ", %" PRIu64
			     ", and it deleted %" PRIu64 ", %" PRIu64
			     ", %" PRIu64,
			     written, files, bytes, tally.found, tally.files,
			     tally.bytes, deleted_messages, deleted_files,
			     deleted_bytes);
	return NULL;
}

const char *ledger_judge(void)
{
	tally_judge(&tally);
	ledger.files = tally.files;
	ledger.messages = tally.found;
	ledger.dropped = ring_full + too_large;
	ledger.deleted = deleted_messages;
	if (tally.torn || tally.doubled)
		return WRONG("of %" PRIu64 " sent: %" PRIu64
			     " doubled, %" PRIu64 " torn, %" PRIu64
			     " in no file, %" PRIu64 " dropped; %s",
			     ledger.sent, tally.doubled, tally.torn, tally.lost,
			     ring_full + too_large, tally.first);
	return judge_sums();
}
