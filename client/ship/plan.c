/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "client/ship/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So many runs that move others and leave a file make it a suspect. */
#define LEFT_MAX 2

int plan_init(struct plan *plan, size_t max_files, uint64_t max_bytes)
{
	*plan = (struct plan){ .max_files = max_files,
			       .max_bytes = max_bytes,
			       .size = max_files };
	names_init(&plan->aside, PLAN_ASIDE);
	plan->batch = calloc(max_files, sizeof(*plan->batch));
	return plan->batch ? 0 : -ENOMEM;
}

void plan_free(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->n; i++)
		free(plan->window[i]);
	for (i = 0; i < plan->retries; i++)
		free(plan->retry[i]);
	free(plan->window);
	free(plan->retry);
	free(plan->batch);
	names_free(&plan->aside);
}

void plan_known(const struct plan *plan, struct names *known)
{
	size_t i;

	for (i = 0; i < plan->n; i++)
		names_add(known, plan->window[i]->name);
	for (i = 0; i < plan->retries; i++)
		names_add(known, plan->retry[i]->name);
}

/* --- the window ---------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
	const struct ship_file *x = *(struct ship_file *const *)a;
	const struct ship_file *y = *(struct ship_file *const *)b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

int plan_fill(struct plan *plan, struct ship_file **files, size_t n)
{
	struct ship_file **window;
	size_t i;

	if (!n)
		return 0;
	window = reallocarray(plan->window, plan->n + n, sizeof(*window));
	if (!window) {
		for (i = 0; i < n; i++)
			free(files[i]);
		return -ENOMEM;
	}
	memcpy(window + plan->n, files, n * sizeof(*files));
	plan->window = window;
	plan->n += n;
	qsort(window, plan->n, sizeof(*window), by_age);
	return 0;
}

/* Takes the files out of the window that are gone, and frees them. */
static void remove_gone(struct plan *plan)
{
	size_t i, kept = 0;

	for (i = 0; i < plan->n; i++) {
		if (plan->window[i]->is_gone) {
			plan->suspects -= plan->window[i]->is_suspect;
			free(plan->window[i]);
		} else {
			plan->window[kept++] = plan->window[i];
		}
	}
	plan->n = kept;
}

static void suspect(struct plan *plan, struct ship_file *file)
{
	plan->suspects += !file->is_suspect;
	file->is_suspect = true;
}

static void clear_suspects(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->n; i++)
		plan->window[i]->is_suspect = false;
	plan->suspects = 0;
}

/* --- files that were set aside ------------------------------------------- */

static bool retry_has_room(struct plan *plan)
{
	size_t room = plan->retry_room ? 2 * plan->retry_room : 16;
	struct ship_file **retry;

	if (plan->retries < plan->retry_room)
		return true;
	if (plan->retries == PLAN_ASIDE)
		return false;
	retry = reallocarray(plan->retry, room, sizeof(*retry));
	if (!retry)
		return false;
	plan->retry = retry;
	plan->retry_room = room;
	return true;
}

/*
 * Moves a file from the window to those set aside.  Without room it remains a
 * suspect.  Returns the file if it was never set aside before.
 */
static const struct ship_file *set_aside(struct plan *plan,
					 struct ship_file *file)
{
	size_t i;

	if (!retry_has_room(plan))
		return NULL;
	for (i = 0; plan->window[i] != file; i++)
		assert(i + 1 < plan->n);
	memmove(plan->window + i, plan->window + i + 1,
		(plan->n - i - 1) * sizeof(*plan->window));
	plan->n--;
	plan->suspects -= file->is_suspect;
	file->is_suspect = false;
	plan->retry[plan->retries++] = file;
	return names_add(&plan->aside, file->name) ? file : NULL;
}

bool plan_retry(struct plan *plan)
{
	plan->batch_n = 0;
	if (!plan->retries)
		return false;
	plan->retry_next %= plan->retries;
	plan->batch[plan->batch_n++] = plan->retry[plan->retry_next];
	plan->is_retry = true;
	return true;
}

static void end_retry(struct plan *plan)
{
	struct ship_file *file = plan->retry[plan->retry_next];

	plan->is_retry = false;
	if (!file->is_gone) {
		plan->retry_next++;
		return;
	}
	plan->retry[plan->retry_next] = plan->retry[--plan->retries];
	free(file);
}

/* --- the next batch ------------------------------------------------------ */

static void choose_oldest(struct plan *plan)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < plan->n && i < plan->size; i++) {
		bytes += plan->window[i]->bytes;
		if (i && bytes > plan->max_bytes)
			break;
		plan->batch[plan->batch_n++] = plan->window[i];
	}
}

/* The oldest of those files that were tried least often, or NULL. */
static struct ship_file *least_tried(const struct plan *plan, bool suspects)
{
	struct ship_file *best = NULL;
	size_t i;

	for (i = 0; i < plan->n; i++)
		if (plan->window[i]->is_suspect == suspects &&
		    (!best || plan->window[i]->tries < best->tries))
			best = plan->window[i];
	return best;
}

bool plan_next(struct plan *plan, bool is_all)
{
	struct ship_file *file;

	plan->batch_n = 0;
	if (!plan->suspects) {
		choose_oldest(plan);
		return plan->batch_n;
	}
	file = least_tried(plan, plan->has_moved);
	if (!file && is_all)
		file = least_tried(plan, true);
	if (file)
		plan->batch[plan->batch_n++] = file;
	return file;
}

void plan_drop_missing(struct plan *plan)
{
	size_t i, kept = 0;

	if (plan->is_retry) {
		if (plan->batch[0]->is_gone) {
			end_retry(plan);
			plan->batch_n = 0;
		}
		return;
	}
	for (i = 0; i < plan->batch_n; i++)
		if (!plan->batch[i]->is_gone)
			plan->batch[kept++] = plan->batch[i];
	if (kept != plan->batch_n)
		remove_gone(plan);
	plan->batch_n = kept;
}

/* --- after a run --------------------------------------------------------- */

static size_t moved(const struct plan *plan)
{
	size_t i, n = 0;

	for (i = 0; i < plan->batch_n; i++)
		n += plan->batch[i]->is_gone;
	return n;
}

static enum plan_step after_success(struct plan *plan, enum blame blame)
{
	bool was_suspect = false;
	size_t i, n = 0;

	for (i = 0; i < plan->batch_n; i++) {
		struct ship_file *file = plan->batch[i];

		n += file->is_gone;
		was_suspect |= file->is_gone && file->is_suspect;
		if (!file->is_gone && blame == BLAME_FILES &&
		    ++file->left >= LEFT_MAX)
			suspect(plan, file);
	}
	if (n == plan->batch_n)
		plan->size = 2 * plan->size < plan->max_files ? 2 * plan->size :
								plan->max_files;
	if (was_suspect)
		clear_suspects(plan);
	remove_gone(plan);
	plan->has_moved = true;
	return blame == BLAME_NOTHING || blame == BLAME_FILES ? PLAN_GO_ON :
								PLAN_BRIEF;
}

static enum plan_step after_failure(struct plan *plan, enum blame blame,
				    const struct ship_file **aside)
{
	struct ship_file *file = plan->batch[0];
	bool had_moved = plan->has_moved;

	plan->has_moved = false;
	if (blame == BLAME_CENTRE)
		return PLAN_PAUSE;
	if (plan->batch_n > 1) {
		plan->size = plan->batch_n / 2;
		return PLAN_BRIEF;
	}
	plan->size = 1;
	file->tries++;
	if (had_moved && file->is_suspect) {
		*aside = set_aside(plan, file);
		return PLAN_GO_ON;
	}
	suspect(plan, file);
	return PLAN_PAUSE;
}

enum plan_step plan_result(struct plan *plan, enum blame blame,
			   const struct ship_file **aside)
{
	enum plan_step step;

	*aside = NULL;
	assert(plan->batch_n);
	if (plan->is_retry) {
		plan->has_moved = moved(plan);
		end_retry(plan);
		step = PLAN_GO_ON;
	} else if (moved(plan)) {
		step = after_success(plan, blame);
	} else {
		step = after_failure(plan, blame, aside);
	}
	plan->batch_n = 0;
	return step;
}
