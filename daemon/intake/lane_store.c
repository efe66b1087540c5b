/* SPDX-License-Identifier: MIT */
/* See lane_store.h. */
#include "daemon/intake/lane_store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/failpoint.h"
#include "daemon/base/systemd.h"

void lane_store_name(char *name, uint64_t id, bool connection)
{
	snprintf(name, SYSTEMD_NAME, SYSTEMD_STORED "%016" PRIx64 "%s", id,
		 connection ? "-c" : "");
}

int lane_store_put(uint64_t id, int memory, int connection)
{
	char name[SYSTEMD_NAME];
	int err;

	lane_store_name(name, id, false);
	err = systemd_store(memory, name, false);
	if (err)
		return err;
	(void)FAILPOINT("lane.stored");
	lane_store_name(name, id, true);
	return systemd_store(connection, name, true);
}

/* Both descriptors of a lane.  False: systemd's queue is full. */
static bool try_forget(uint64_t id)
{
	char name[SYSTEMD_NAME];

	lane_store_name(name, id, false);
	if (systemd_forget(name))
		return false;
	lane_store_name(name, id, true);
	return !systemd_forget(name);
}

static void on_timer(uv_timer_t *timer)
{
	struct lane_store *st = timer->data;

	while (st->owed_count && try_forget(st->owed[st->owed_count - 1]))
		st->owed_count--;
	if (st->owed_count)
		uv_timer_start(timer, on_timer, LANE_STORE_RETRY_MS, 0);
}

void lane_store_forget(struct lane_store *st, uint64_t id)
{
	if (try_forget(id))
		return;
	assert(st->owed_count < st->owed_most);
	st->owed[st->owed_count++] = id;
	if (!uv_is_active((uv_handle_t *)&st->timer))
		uv_timer_start(&st->timer, on_timer, LANE_STORE_RETRY_MS, 0);
}

int lane_store_open(struct lane_store *st, uv_loop_t *uv, uint64_t most)
{
	memset(st, 0, sizeof(*st));
	st->owed_most = most;
	st->owed = calloc(most, sizeof(*st->owed));
	if (!st->owed)
		return -ENOMEM;
	uv_timer_init(uv, &st->timer);
	st->timer.data = st;
	return 0;
}

void lane_store_close(struct lane_store *st)
{
	uv_close((uv_handle_t *)&st->timer, NULL);
}
