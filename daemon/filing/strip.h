/* SPDX-License-Identifier: MIT */
/*
 * socket.strip: a message without its syslog header goes from the ring into
 * an arena.  Whoever fills the arena calls this, see transfer.h.
 */
#ifndef BUFWRITER_STRIP_H
#define BUFWRITER_STRIP_H

#include "daemon/region/arena.h"
#include "daemon/region/ring_layout.h"

/*
 * As arena_append() of this message, but as a->strip says.  It takes at most
 * the arena_cost() of the whole message.  The message itself does not change,
 * so a kill before the commit leaves it as it was received (I5).
 */
void strip_append(struct arena *a, const struct ring_message *m);

#endif
