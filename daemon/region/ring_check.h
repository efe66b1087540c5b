/* SPDX-License-Identifier: MIT */
/*
 * The ring that a dead process left: is it sound, and what is in it?
 *
 * For the thread that recovers a region, while no other thread uses that
 * region.
 */
#ifndef BUFWRITER_RING_CHECK_H
#define BUFWRITER_RING_CHECK_H

#include "daemon/region/ring_layout.h"

/*
 * Checks that this is a ring that the daemon could have left, so that the
 * functions below stay within it.  Changes nothing.  0; -EBADMSG; -ENOMEM;
 * each error with a text in *why.
 */
int ring_check(const struct ring_layout *l, const char **why);
/*
 * Publishes what the kernel had received but the dead process had not yet
 * published.  Returns the number of those datagrams.  Safe to be killed in.
 */
uint64_t ring_recover(struct ring_layout *l);
/* True if this ticket was published and its slot was not released. */
bool ring_is_held(const struct ring_layout *l, uint64_t ticket);
/* Releases a held ticket.  Its message is in an arena or in a file. */
void ring_release_held(struct ring_layout *l, uint64_t ticket);

#endif
