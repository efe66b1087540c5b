/* SPDX-License-Identifier: MIT */
/*
 * The lanes that a former life gave out: systemd passes their memory and their
 * connections, by name, and the region says how far each was taken.
 *
 *	entry	memory	connection
 *	OPEN	yes	yes	    the lane goes on; its client notices nothing
 *	OPEN	yes	no	    its end is taken, and then it is CLOSED
 *	OPEN	no	-	    CLOSED: its client asks, and sends the rest
 *	CLOSED	yes	-	    its client learns that from the head
 *	none	yes	-	    the region was lost: the lane's own `read` counts
 *
 * A copy that the stop before made (lane_rest.h) takes the place of the lane's
 * memory, with or without an entry, and the lane has no connection: its client
 * was told that all of it was taken, or learns it now from the lane's head, or
 * asks.  A copy that cannot be read stays for the next start, and its entry
 * stays OPEN: a later start would take a copy whose entry is CLOSED for one that
 * was filed.
 *
 * The memory is not believed more than before: what does not fit its entry is
 * not mapped.
 */
#ifndef BUFWRITER_LANE_RESTORE_H
#define BUFWRITER_LANE_RESTORE_H

#include "daemon/intake/lane_handout.h"
#include "daemon/intake/lane_rest.h"

/*
 * Takes the `stored` descriptors that systemd passed, and the copies beside the
 * region.  Loop thread, before the lanes' socket is served.
 */
void lane_restore(struct lane_handout *h, unsigned stored);
/*
 * This life ends while it still recovers the region: copies what systemd passed
 * and would drop after a stop.  `state`: state.path, or empty.  Loop thread,
 * instead of the above.
 */
void lane_restore_keep(unsigned stored, const char *state,
		       struct lane_rest *rest);

#endif
