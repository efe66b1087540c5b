/* SPDX-License-Identifier: MIT */
/*
 * Copies of lanes beside the region.  At a stop that cannot file everything,
 * what is unread in a lane is copied into a file there, because the lane's own
 * memory may end with the last process that has it.  The next start reads the
 * copy as it would have read the lane: same id, same positions, so the lane's
 * entry in the region says how far the copy was taken.
 *
 * A copy appears by rename, so it is complete.  It is removed when its entry is
 * CLOSED.  One that cannot be removed says itself, in its head, that all of it
 * was taken, for a start whose region does not know it any more.  Its name is
 * state.path, ".lane-" and the id in 16 digits.
 *
 * Loop thread, at start, when a lane has ended, and at the end; and the thread
 * that recovers, which only counts.
 */
#ifndef BUFWRITER_LANE_KEEP_H
#define BUFWRITER_LANE_KEEP_H

#include "daemon/region/lane.h"

/*
 * Copies what lies from the lane's position to `to`, which lane_seal() has
 * returned.  `state`: state.path.  0 or -errno: there is no copy then.
 */
int lane_keep(const struct lane *l, uint64_t to, const char *state);
/* Opens a copy for lane_map_kept().  The descriptor or -errno. */
int lane_keep_open(const char *state, uint64_t id);
/* Removes a copy, if it is there.  0 or -errno. */
int lane_keep_remove(const char *state, uint64_t id);
/*
 * The ids of the copies that are there, and removes those that are not
 * complete.  Returns how many there are; NULL in *ids and 0: none, or there is
 * no memory for the list.  The caller frees *ids.
 */
unsigned lane_keep_list(const char *state, uint64_t **ids);
/* The recovery: how many copies are there of which this table knows nothing. */
unsigned lane_keep_unknown(const char *state, const struct lane_table *t);

#endif
