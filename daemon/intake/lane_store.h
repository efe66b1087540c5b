/* SPDX-License-Identifier: MIT */
/*
 * The lanes in systemd's store of descriptors: for each lane its memory and its
 * client's connection, by name.  They outlive this process, so that the next
 * one goes on with the lanes (lane_restore.h).
 *
 * A descriptor that stayed there for a lane that has ended would take the place
 * of a later lane's, and that lane would not survive a kill.  So what systemd is
 * to forget, and its queue has no room to hear of, is owed, and told again until
 * systemd takes it.
 *
 * Without systemd the store takes and forgets nothing, and says that it did.
 * Loop thread only.
 */
#ifndef BUFWRITER_LANE_STORE_H
#define BUFWRITER_LANE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define LANE_STORE_RETRY_MS 1

struct lane_store {
	uv_timer_t timer; /* until what is owed is told again */
	uint64_t *owed;	  /* ids of lanes */
	uint64_t owed_count, owed_most;
};

/*
 * For so many lanes whose end may be owed, see lane_store_owes().  0 or
 * -ENOMEM.
 */
int lane_store_open(struct lane_store *st, uv_loop_t *uv, uint64_t most);
/* The loop must run once more. */
void lane_store_close(struct lane_store *st);

/* The name of a lane in the store; `connection`: of its connection.  `name` has
 * room for SYSTEMD_NAME bytes. */
void lane_store_name(char *name, uint64_t id, bool connection);
/* Stores a lane.  Both descriptors stay the caller's.  0 or -errno. */
int lane_store_put(uint64_t id, int memory, int connection);
/* systemd forgets this lane, now or as soon as its queue has room. */
void lane_store_forget(struct lane_store *st, uint64_t id);
/* Is there something that systemd has not heard yet?  No lane may be stored
 * then: that bounds what can be owed. */
static inline bool lane_store_owes(const struct lane_store *st)
{
	return st->owed_count;
}

#endif
