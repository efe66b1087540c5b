/* SPDX-License-Identifier: MIT */
/* See senders.h. */
#include "daemon/intake/senders.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"

int senders_open(struct senders *s, const struct config *cfg, uint64_t now_ns)
{
	memset(s, 0, sizeof(*s));
	s->at = malloc(SENDERS_MOST * sizeof(*s->at));
	if (!s->at)
		return -ENOMEM;
	/* Touched now, so that no page is missing later. */
	memset(s->at, 0, SENDERS_MOST * sizeof(*s->at));
	sender_units_open(&s->units);
	senders_configure(s, cfg, now_ns);
	return 0;
}

void senders_close(struct senders *s)
{
	free(s->at);
	memset(s, 0, sizeof(*s));
}

/* No limit was there before, so nobody has used any of it. */
static void fill_all(struct senders *s, uint64_t now_ns)
{
	unsigned i;

	sender_users_open(&s->users, &s->limit, now_ns);
	for (i = 0; i < SENDER_UNITS; i++)
		sender_bucket_open(&s->units.at[i].bucket, &s->limit, now_ns);
}

void senders_configure(struct senders *s, const struct config *cfg,
		       uint64_t now_ns)
{
	bool had_limit = s->limit.rate > 0;

	s->limit.rate = cfg->senders_rate;
	s->limit.burst = cfg->senders_burst ? cfg->senders_burst :
					      cfg->senders_rate;
	s->by_unit = cfg->senders_by == BY_UNIT;
	if (!had_limit)
		fill_all(s, now_ns);
}

/* -- units ---------------------------------------------------------------- */

static struct sender_sums uncredited(const struct sender *row)
{
	struct sender_sums sums = row->sums;

	sender_sums_take(&sums, &row->credited);
	return sums;
}

static void credit(struct senders *s, struct sender *row, unsigned unit)
{
	struct sender_sums sums = uncredited(row);

	sender_units_add(&s->units, unit, &sums, row->last_ns);
	row->credited = row->sums;
}

static void leave_unit(struct senders *s, struct sender *row)
{
	if (row->has_unit)
		sender_units_leave(&s->units, row->unit);
	row->has_unit = false;
}

static void set_nameless(struct senders *s, struct sender *row, bool nameless)
{
	if (row->nameless == nameless)
		return;
	row->nameless = nameless;
	if (nameless)
		s->nameless++;
	else
		s->nameless--;
}

/* -- rows ----------------------------------------------------------------- */

static bool is_same(const struct sender_id *a, const struct sender_id *b)
{
	return a->pid == b->pid && a->uid == b->uid;
}

static struct sender *set_of(const struct senders *s,
			     const struct sender_id *id)
{
	uint32_t hash = (id->pid ^ id->uid << 16 ^ id->uid >> 16) *
			UINT32_C(2654435761);

	return &s->at[(hash >> 25) * SENDERS_WAYS];
}

_Static_assert(SENDERS_SETS == 1 << (32 - 25), "a set for each hash");

/* Its place is free from now on; the sums stay in the units. */
static void give_way(struct senders *s, struct sender *row)
{
	credit(s, row, row->has_unit ? row->unit : SENDER_UNIT_UNKNOWN);
	leave_unit(s, row);
	set_nameless(s, row, false);
	s->rows--;
	s->evicted++;
}

static void take_row(struct senders *s, struct sender *row,
		     const struct sender_id *id, uint64_t now_ns)
{
	if (row->used)
		give_way(s, row);
	memset(row, 0, sizeof(*row));
	row->id = *id;
	row->used = true;
	row->last_ns = row->mark_ns = now_ns;
	s->rows++;
	set_nameless(s, row, true);
}

static struct sender *search(const struct senders *s,
			     const struct sender_id *id)
{
	struct sender *set = set_of(s, id);
	unsigned i;

	for (i = 0; i < SENDERS_WAYS; i++)
		if (set[i].used && is_same(&set[i].id, id))
			return &set[i];
	return NULL;
}

/* The row that is free, or that sent longest ago. */
static struct sender *place_for(const struct senders *s,
				const struct sender_id *id)
{
	struct sender *set = set_of(s, id), *oldest = set;
	unsigned i;

	for (i = 0; i < SENDERS_WAYS; i++) {
		if (!set[i].used)
			return &set[i];
		if (set[i].last_ns < oldest->last_ns)
			oldest = &set[i];
	}
	return oldest;
}

/* One sender often sends many messages in a row. */
static struct sender *row_of(struct senders *s, const struct sender_id *id,
			     uint64_t now_ns)
{
	struct sender *row = s->last;

	if (row && is_same(&row->id, id))
		return row;
	row = search(s, id);
	if (!row) {
		row = place_for(s, id);
		take_row(s, row, id, now_ns);
	}
	s->last = row;
	return row;
}

/* -- datagrams ------------------------------------------------------------ */

/* Its number may be another process's by now. */
static void wake_row(struct senders *s, struct sender *row)
{
	if (row->nameless)
		return;
	credit(s, row, row->unit);
	set_nameless(s, row, true);
}

static struct sender_speed speed_since(const struct sender *row,
				       uint64_t now_ns)
{
	double per = 1e9 / (now_ns - row->mark_ns);

	return (struct sender_speed){
		(row->sums.messages - row->mark.messages) * per,
		(row->sums.bytes - row->mark.bytes) * per,
	};
}

static bool is_second_over(const struct sender *row, uint64_t now_ns)
{
	return now_ns > row->mark_ns && now_ns - row->mark_ns >= CLOCK_SECOND;
}

static void note_time(struct senders *s, struct sender *row, uint64_t now_ns)
{
	if (now_ns > row->last_ns && now_ns - row->last_ns >= SENDERS_IDLE_NS)
		wake_row(s, row);
	row->last_ns = now_ns;
	if (!is_second_over(row, now_ns))
		return;
	row->speed = speed_since(row, now_ns);
	row->mark = row->sums;
	row->mark_ns = now_ns;
}

static bool is_over_limit(struct senders *s, struct sender *row,
			  uint64_t now_ns)
{
	struct sender_bucket *bucket;

	if (!s->limit.rate)
		return false;
	/* A sender without a name counts for its user meanwhile. */
	if (s->by_unit && !row->nameless && row->unit >= SENDER_UNIT_FIRST)
		bucket = &s->units.at[row->unit].bucket;
	else
		bucket = sender_users_find(&s->users, row->id.uid, &s->limit,
					   now_ns);
	return !sender_bucket_take(bucket, &s->limit, now_ns);
}

bool senders_count(struct senders *s, const struct sender_id *id,
		   uint64_t bytes, bool dropped, uint64_t now_ns)
{
	struct sender *row = row_of(s, id, now_ns);
	bool over = !dropped && is_over_limit(s, row, now_ns);
	struct sender_sums sums = { 1, bytes, dropped || over };

	note_time(s, row, now_ns);
	sender_sums_add(&row->sums, &sums);
	sender_sums_add(&s->total, &sums);
	row->limited += over;
	return !over;
}

/* -- names ---------------------------------------------------------------- */

unsigned senders_nameless(const struct senders *s, struct sender_id *id,
			  unsigned most)
{
	unsigned i, n = 0;

	if (most > s->nameless)
		most = s->nameless;
	for (i = 0; i < SENDERS_MOST && n < most; i++)
		if (s->at[i].nameless)
			id[n++] = s->at[i].id;
	return n;
}

/* The number is another process's than before, so the row begins anew. */
static void begin_anew(struct senders *s, struct sender *row)
{
	sender_sums_take(&row->sums, &row->credited);
	memset(&row->credited, 0, sizeof(row->credited));
	row->mark = (struct sender_sums){ 0 };
	row->mark_ns = row->last_ns;
	row->speed = (struct sender_speed){ 0 };
	leave_unit(s, row);
}

static void set_unit(struct senders *s, struct sender *row,
		     const struct sender_answer *answer, uint64_t now_ns)
{
	unsigned before = row->unit;
	bool had = row->has_unit;

	if (answer->found) {
		row->unit = sender_units_join(&s->units, answer->unit,
					      &s->limit, now_ns);
	} else {
		row->unit = had ? before : SENDER_UNIT_UNKNOWN;
		sender_units_join_at(&s->units, row->unit);
	}
	/* After that, so that a unit with one sender stays where it is. */
	if (had)
		sender_units_leave(&s->units, before);
	row->has_unit = true;
}

void senders_name(struct senders *s, const struct sender_answer *answer,
		  uint64_t now_ns)
{
	struct sender *row = search(s, &answer->id);

	if (!row || !row->nameless)
		return;
	if (answer->found && row->started && row->started != answer->started)
		begin_anew(s, row);
	set_unit(s, row, answer, now_ns);
	if (answer->found) {
		row->started = answer->started;
		memcpy(row->command, answer->command, SENDER_COMMAND);
		row->command[SENDER_COMMAND - 1] = 0;
	}
	set_nameless(s, row, false);
}

/* -- for others ----------------------------------------------------------- */

void senders_credit(struct senders *s)
{
	unsigned i;

	for (i = 0; i < SENDERS_MOST; i++)
		if (s->at[i].used && !s->at[i].nameless)
			credit(s, &s->at[i], s->at[i].unit);
}

struct sender_sums senders_pending(const struct senders *s)
{
	struct sender_sums all = { 0 }, sums;
	unsigned i;

	for (i = 0; i < SENDERS_MOST; i++) {
		if (!s->at[i].used)
			continue;
		sums = uncredited(&s->at[i]);
		sender_sums_add(&all, &sums);
	}
	return all;
}

struct sender_speed sender_speed(const struct sender *sender, uint64_t now_ns)
{
	/* What it sent once says nothing about now. */
	if (now_ns > sender->last_ns + SENDER_SILENT_NS)
		return (struct sender_speed){ 0 };
	return is_second_over(sender, now_ns) ? speed_since(sender, now_ns) :
						sender->speed;
}

static bool is_busier(const struct sender *a, const struct sender *b,
		      uint64_t now_ns)
{
	double x = sender_speed(a, now_ns).messages;
	double y = sender_speed(b, now_ns).messages;

	if (x > y || x < y)
		return x > y;
	return a->sums.messages > b->sums.messages;
}

unsigned senders_busiest(const struct senders *s, const struct sender **row,
			 unsigned most, uint64_t now_ns)
{
	unsigned i, at, n = 0;

	for (i = 0; i < SENDERS_MOST; i++) {
		if (!s->at[i].used)
			continue;
		if (n == most && !is_busier(&s->at[i], row[n - 1], now_ns))
			continue;
		at = n < most ? n++ : n - 1;
		for (; at && is_busier(&s->at[i], row[at - 1], now_ns); at--)
			row[at] = row[at - 1];
		row[at] = &s->at[i];
	}
	return n;
}

const struct sender *senders_worst(struct senders *s, uint64_t *limited)
{
	const struct sender *worst = NULL;
	unsigned i;

	*limited = 0;
	for (i = 0; i < SENDERS_MOST; i++) {
		if (s->at[i].used && s->at[i].limited > *limited) {
			worst = &s->at[i];
			*limited = worst->limited;
		}
		s->at[i].limited = 0;
	}
	return worst;
}
