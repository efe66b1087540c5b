/* SPDX-License-Identifier: MIT */
/* See lane_handout.h. */
#include "daemon/intake/lane_handout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/failpoint.h"
#include "daemon/base/log.h"
#include "daemon/region/lane_keep.h"

void lane_handout_open(struct lane_handout *h, struct lane_clients *clients,
		       struct lane_store *store, struct workers *workers,
		       struct lane_table *table, const struct config *cfg)
{
	memset(h, 0, sizeof(*h));
	h->clients = clients;
	h->store = store;
	h->workers = workers;
	h->table = table;
	h->count = cfg->lanes_count;
	h->size = cfg->lanes_size_bytes;
	h->large = cfg->lanes_large_bytes;
	snprintf(h->state, sizeof(h->state), "%s", cfg->state_path);
}

/* -- may this client have one? -------------------------------------------- */

uint64_t lane_handout_share(const struct lane_handout *h, uid_t uid)
{
	if (!uid || uid == geteuid())
		return h->count;
	return h->count >= 8 ? h->count / 4 : 1;
}

/* No refusal: the lane of a large message before this one is still in use. */
#define LATER 1

/* 0, LATER or -errno */
static int check(const struct lane_handout *h, const struct lane_client *c,
		 uint64_t large)
{
	unsigned own_large,
		all_large = lane_table_large(h->table, c->uid, &own_large);

	if (c->slot != LANE_NO_SLOT)
		return -EBUSY;
	if (lane_store_owes(h->store))
		return -EAGAIN;
	if (large > h->large)
		return -EMSGSIZE;
	/* The program asks again; its message waits in its own memory. */
	if (large)
		return all_large < LANE_TABLE_LARGE &&
				       own_large < LANE_HANDOUT_LARGE_SHARE ?
			       0 :
			       LATER;
	if (lane_table_count(h->table, c->uid) - own_large >=
	    lane_handout_share(h, c->uid))
		return -EDQUOT;
	return h->lanes - all_large < h->count ? 0 : -ENOSPC;
}

/* -- making one ------------------------------------------------------------ */

struct lane_entry *lane_handout_room(struct lane_handout *h)
{
	struct lane_entry *e = lane_table_room(h->table);

	if (!e ||
	    !lanes_is_free(&h->workers->lanes, lane_entry_index(h->table, e)))
		return NULL;
	return e;
}

void lane_handout_add(struct lane_handout *h, struct lane *lane)
{
	lanes_add(&h->workers->lanes, lane);
	h->lanes++;
}

void lane_handout_remove_copy(const struct lane_handout *h, uint64_t id)
{
	int err = lane_keep_remove(h->state, id);

	if (err)
		log_error("lanes: %s.lane-%016" PRIx64 " cannot be removed: "
			  "%s; what is in it is filed: remove it, or the next "
			  "start tries again",
			  h->state, id, strerror(-err));
}

void lane_handout_remove(struct lane_handout *h, const struct lane_entry *e,
			 bool kept)
{
	h->lanes--;
	if (kept)
		lane_handout_remove_copy(h, e->id);
	lane_store_forget(h->store, e->id);
}

/* The memory of a new lane, which is OPEN then.  The descriptor or -errno. */
static int make(struct lane_handout *h, struct lane_client *c,
		struct lane_entry *e)
{
	struct lane lane;
	int fd = lane_make(e), err;

	if (fd < 0)
		return fd;
	err = lane_store_put(e->id, fd, c->fd);
	if (!err)
		err = lane_map(&lane, fd, e);
	if (err) {
		lane_store_forget(h->store, e->id);
		close(fd);
		return err;
	}
	(void)FAILPOINT("lane.mapped");
	lane_handout_add(h, &lane);
	c->slot = lane_entry_index(h->table, e);
	return fd;
}

static int give(struct lane_handout *h, struct lane_client *c, uint64_t large)
{
	struct lane_entry *e = lane_handout_room(h);
	int fd;

	if (!e)
		return -ENOSPC;
	lane_entry_open(e, lane_table_new_id(h->table),
			large ? lane_large_size(large) : h->size, large, c->uid,
			(uint32_t)c->pid, 0);
	fd = make(h, c, e);
	if (fd < 0) {
		lane_entry_close(e);
		return fd;
	}
	(void)FAILPOINT("lane.made");
	stats_add(&h->clients->stats->lanes_opened, 1);
	(void)lane_clients_answer(c, 0, e->id, e->size, fd);
	close(fd);
	return 0;
}

void lane_handout_request(struct lane_handout *h, struct lane_client *c,
			  uint64_t large)
{
	int err = check(h, c, large);

	if (err == LATER) {
		lane_clients_put_off(c);
		return;
	}
	if (!err)
		err = give(h, c, large);
	if (err)
		lane_clients_refuse(c, err);
}
