/* SPDX-License-Identifier: MIT */
/* See lane_restore.h. */
#include "daemon/intake/lane_restore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/systemd.h"

struct passed {
	uint64_t id;
	int memory, connection; /* -1: not passed */
};

/* The lane of this name; 0: it is none that lane_store_name() made. */
static uint64_t id_of(const char *name, bool *is_connection)
{
	char again[SYSTEMD_NAME];
	uint64_t id;

	if (sscanf(name, SYSTEMD_STORED "%16" SCNx64, &id) != 1 || !id ||
	    id > LANE_ID_MAX)
		return 0;
	*is_connection = strlen(name) > strlen(SYSTEMD_STORED) + 16;
	lane_store_name(again, id, *is_connection);
	return strcmp(again, name) ? 0 : id;
}

static struct passed *find(struct passed *list, unsigned *n, uint64_t id)
{
	unsigned i;

	for (i = 0; i < *n; i++)
		if (list[i].id == id)
			return &list[i];
	list[*n] = (struct passed){ id, -1, -1 };
	return &list[(*n)++];
}

/* Pairs memory and connection.  Returns how many lanes there are. */
static unsigned collect(struct passed *list, unsigned stored)
{
	char name[SYSTEMD_NAME];
	struct passed *p;
	bool connection;
	unsigned i, n = 0;
	uint64_t id;
	int fd, *to;

	for (i = 0; i < stored; i++) {
		fd = systemd_stored(i, name);
		id = id_of(name, &connection);
		if (!id) {
			(void)systemd_forget(name);
			close(fd);
			continue;
		}
		p = find(list, &n, id);
		to = connection ? &p->connection : &p->memory;
		if (*to >= 0)
			close(fd);
		else
			*to = fd;
	}
	return n;
}

/* The region knows nothing of this lane: believes its own head. */
static struct lane_entry *adopt(struct lane_handout *h, const struct passed *p)
{
	struct lane_entry *e = lane_handout_room(h);
	struct ucred peer = { 0 };
	struct lane_head head;
	socklen_t len = sizeof(peer);
	uint64_t read;

	if (!e || pread(p->memory, &head, sizeof(head), 0) != sizeof(head) ||
	    head.id != p->id || head.size < LANE_HEAD_BYTES ||
	    head.size > LANE_SIZE_MOST || (head.size & (head.size - 1)))
		return NULL;
	read = load_relaxed(&head.read);
	if (p->connection >= 0)
		(void)getsockopt(p->connection, SOL_SOCKET, SO_PEERCRED, &peer,
				 &len);
	lane_entry_open(e, head.id, head.size, head.large, peer.uid,
			(uint32_t)peer.pid, read);
	return e;
}

/* 0, or -errno: this lane does not go on. */
static int revive(struct lane_handout *h, struct passed *p,
		  struct lane_entry *e)
{
	struct lane_client *c = NULL;
	struct lane lane;
	uint32_t slot = lane_entry_index(h->table, e);
	int err = lane_map(&lane, p->memory, e);

	if (err)
		return err;
	if (load_relaxed(&e->state) == LANE_ENTRY_CLOSED) {
		lane_finish(&lane);
		lane_unmap(&lane);
		return -ESHUTDOWN;
	}
	lane_revive(&lane);
	lane_handout_add(h, &lane);
	if (p->connection >= 0)
		c = lane_clients_add(h->clients, p->connection);
	if (c) {
		p->connection = -1;
		c->slot = slot;
	} else {
		lanes_end(&h->workers->lanes, slot);
	}
	return 0;
}

static void restore_one(struct lane_handout *h, struct passed *p)
{
	struct lane_entry *e = lane_table_find(h->table, p->id);
	int err = -ENOENT;

	if (!e && p->memory >= 0)
		e = adopt(h, p);
	if (e && p->memory >= 0)
		err = revive(h, p, e);
	if (p->memory >= 0)
		close(p->memory);
	if (p->connection >= 0)
		close(p->connection);
	if (err)
		lane_store_forget(h->store, p->id);
}

/* The others are CLOSED: their clients have the memory, and ask. */
static void close_the_rest(struct lane_handout *h)
{
	struct lanes *ls = &h->workers->lanes;
	struct lane_entry *e;
	unsigned i;

	for (i = 0; i < h->table->entries; i++) {
		e = &h->table->entry[i];
		if (load_relaxed(&e->state) == LANE_ENTRY_OPEN &&
		    lanes_is_free(ls, i))
			lane_entry_close(e);
	}
}

/* The settings have room for fewer: the others end when they are read. */
static void end_some(struct lane_handout *h)
{
	struct lanes *ls = &h->workers->lanes;
	unsigned i, n = h->lanes;

	for (i = 0; i < ls->slots && n > h->count; i++) {
		if (load_relaxed(&ls->slot[i].state) != LANES_OPEN)
			continue;
		lanes_end(ls, i);
		n--;
	}
}

void lane_restore(struct lane_handout *h, unsigned stored)
{
	struct passed *list = calloc(stored + 1, sizeof(*list));
	unsigned n, i;

	if (!list)
		return;
	n = collect(list, stored);
	for (i = 0; i < n; i++)
		restore_one(h, &list[i]);
	free(list);
	close_the_rest(h);
	end_some(h);
	if (!h->lanes)
		return;
	log_notice("lanes: %u go on where the process before left them",
		   h->lanes);
	/* A doorbell that the dead process had heard is gone. */
	workers_ring(h->workers);
}
