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
#include "daemon/region/lane_keep.h"

struct passed {
	uint64_t id;
	int memory, connection; /* -1: not passed */
	bool kept;		/* the memory is a copy */
	int unread;		/* -errno: this life cannot read the copy */
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
	list[*n] = (struct passed){ id, -1, -1, false, 0 };
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

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Only its removal is left to do. */
static bool is_filed(const struct lane_handout *h, uint64_t id)
{
	const struct lane_entry *e = lane_table_find(h->table, id);

	return e && load_relaxed(&e->state) == LANE_ENTRY_CLOSED;
}

/*
 * A copy stays where it is if this life cannot read it, and so does its entry:
 * the next start goes on from there.
 */
static void leave_unread(struct lane_handout *h, struct passed *p, int err)
{
	p->unread = err;
	h->unread++;
	log_error("lanes: %s.lane-%016" PRIx64 " cannot be read: %s; what is "
		  "in it is not filed, and the next start tries again",
		  h->state, p->id, strerror(-err));
}

/* False: this is not the head of a lane. */
static bool read_head(const struct passed *p, struct lane_head *head)
{
	return pread(p->memory, head, sizeof(*head), 0) == sizeof(*head) &&
	       head->id == p->id && head->size >= LANE_HEAD_BYTES &&
	       head->size <= LANE_SIZE_MOST && !(head->size & (head->size - 1));
}

/*
 * Maps a lane as its head describes it, because the region is not there or has
 * nothing to add.  `e` is the lane's as long as it is mapped.
 */
static bool map_by_head(struct lane *lane, struct lane_entry *e,
			const struct passed *p)
{
	struct lane_head head;

	if (p->memory < 0 || !read_head(p, &head))
		return false;
	*e = (struct lane_entry){ .state = LANE_ENTRY_FREE };
	lane_entry_open(e, head.id, head.size, head.large, 0, 0,
			load_relaxed(&head.read));
	return !lane_map(lane, p->memory, e);
}

/*
 * A copy has all that this lane holds.  Its client learns that, because the
 * daemon that files the copy may give out no lanes, and then answers nobody.
 */
static void hand_over(const struct passed *p)
{
	struct lane_entry e;
	struct lane lane;
	uint64_t to;

	if (!map_by_head(&lane, &e, p))
		return;
	if (lane_seal(&lane, &to))
		lane_hand_over(&lane, to);
	lane_unmap(&lane);
}

/* Adds the copies, in place of what systemd has of these lanes. */
static unsigned collect_kept(struct lane_handout *h, struct passed *list,
			     unsigned n, const uint64_t *ids, unsigned copies)
{
	struct passed *p;
	unsigned i;
	int fd;

	for (i = 0; i < copies; i++) {
		fd = lane_keep_open(h->state, ids[i]);
		p = find(list, &n, ids[i]);
		if (fd >= 0)
			hand_over(p);
		close_fd(&p->memory);
		close_fd(&p->connection);
		p->kept = true;
		p->memory = fd < 0 ? -1 : fd;
		if (fd < 0 && !is_filed(h, ids[i]))
			leave_unread(h, p, fd);
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

	if (!e || !read_head(p, &head))
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
	int err = p->kept ? lane_map_kept(&lane, p->memory, e) :
			    lane_map(&lane, p->memory, e);

	if (err)
		return err;
	store_relaxed(&e->unkept, 0);
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
	int err = -EBADMSG;

	if (p->unread)
		return;
	if (!e && p->memory >= 0)
		e = adopt(h, p);
	if (e && p->memory >= 0)
		err = revive(h, p, e);
	close_fd(&p->memory);
	close_fd(&p->connection);
	if (p->kept && err && is_filed(h, p->id))
		err = -ESHUTDOWN;
	if (p->kept && err && err != -ESHUTDOWN) {
		leave_unread(h, p, err);
		return;
	}
	/*
	 * Of a copy systemd may have the lane, too.  It forgets each lane once,
	 * this one at its end: the store owes no more than there are lanes.
	 */
	if (err)
		lane_store_forget(h->store, p->id);
	if (err == -ESHUTDOWN && p->kept)
		lane_handout_remove_copy(h, p->id);
}

/* The stop before could not keep them, and nobody else has. */
static void count_lost(struct lane_handout *h, struct lane_entry *e)
{
	struct stats_listener *stats = h->clients->stats;
	uint64_t n = load_relaxed(&e->unkept);

	if (!n)
		return;
	stats_add(&stats->received, n);
	stats_add(&stats->lane_lost, n);
	log_error("lanes: %" PRIu64 " messages of process %u, user %u, were "
		  "lost: the stop before could neither file nor copy them, and "
		  "the program had ended",
		  n, (unsigned)e->pid, (unsigned)e->uid);
}

static bool is_unread(const struct passed *list, unsigned n, uint64_t id)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (list[i].id == id)
			return list[i].unread;
	return false;
}

/* The others are CLOSED: their clients have the memory, and ask. */
static void close_the_rest(struct lane_handout *h, const struct passed *list,
			   unsigned n)
{
	struct lanes *ls = &h->workers->lanes;
	struct lane_entry *e;
	unsigned i;

	for (i = 0; i < h->table->entries; i++) {
		e = &h->table->entry[i];
		if (load_relaxed(&e->state) == LANE_ENTRY_OPEN &&
		    lanes_is_free(ls, i) && !is_unread(list, n, e->id)) {
			count_lost(h, e);
			lane_entry_close(e);
		}
	}
}

/* The settings have room for fewer: the others end when they are read. */
static void end_some(struct lane_handout *h)
{
	struct lanes *ls = &h->workers->lanes;
	unsigned own, i, n = h->lanes - lane_table_large(h->table, 0, &own);

	for (i = 0; i < ls->slots && n > h->count; i++) {
		if (load_relaxed(&ls->slot[i].state) != LANES_OPEN ||
		    h->table->entry[i].large)
			continue;
		lanes_end(ls, i);
		n--;
	}
}

static unsigned count_kept(const struct lane_handout *h)
{
	const struct lanes *ls = &h->workers->lanes;
	unsigned i, n = 0;

	for (i = 0; i < ls->slots; i++)
		n += load_relaxed(&ls->slot[i].state) == LANES_OPEN &&
		     ls->slot[i].lane.kept;
	return n;
}

void lane_restore(struct lane_handout *h, unsigned stored)
{
	uint64_t *ids = NULL;
	unsigned copies = h->state[0] ? lane_keep_list(h->state, &ids) : 0;
	struct passed *list = calloc(stored + copies + 1, sizeof(*list));
	unsigned n, i;

	if (!list) {
		free(ids);
		return;
	}
	n = collect(list, stored);
	n = collect_kept(h, list, n, ids, copies);
	for (i = 0; i < n; i++)
		restore_one(h, &list[i]);
	close_the_rest(h, list, n);
	free(list);
	free(ids);
	end_some(h);
	if (!h->lanes)
		return;
	copies = count_kept(h);
	if (copies)
		log_notice("lanes: %u copies that the stop before had made are "
			   "filed now",
			   copies);
	if (h->lanes > copies)
		log_notice("lanes: %u go on where the process before left them",
			   h->lanes - copies);
	/* A doorbell that the dead process had heard is gone. */
	workers_ring(h->workers);
}

/* -- a life that ends before that ----------------------------------------- */

/* A copy of a stop before has all that this lane ever had. */
static bool has_copy(const char *state, uint64_t id)
{
	int fd = lane_keep_open(state, id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * The recovery has the region, so the lane's head says from where on: what the
 * region knows is that or more.
 */
static void keep_one(const struct passed *p, const char *state,
		     struct lane_rest *rest)
{
	struct lane_entry e;
	struct lane lane;
	uint64_t to, n = 0;
	int err = 0;

	if (has_copy(state, p->id)) {
		hand_over(p);
		return;
	}
	if (!map_by_head(&lane, &e, p))
		return;
	if (lane_seal(&lane, &to))
		n = lane_count(&lane, to);
	if (n)
		err = lane_keep(&lane, to, state);
	if (n && !err)
		lane_hand_over(&lane, to);
	lane_unmap(&lane);
	if (err) {
		rest->clients += n;
		rest->error = err;
	} else {
		rest->kept += n;
	}
}

void lane_restore_keep(unsigned stored, const char *state,
		       struct lane_rest *rest)
{
	struct passed *list = calloc(stored + 1, sizeof(*list));
	unsigned n, i;

	memset(rest, 0, sizeof(*rest));
	n = list && state[0] ? collect(list, stored) : 0;
	for (i = 0; i < n; i++) {
		keep_one(&list[i], state, rest);
		close_fd(&list[i].memory);
		close_fd(&list[i].connection);
	}
	free(list);
}
