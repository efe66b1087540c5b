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
 * The memory is not believed more than before: what does not fit its entry is
 * not mapped.
 */
#ifndef BUFWRITER_LANE_RESTORE_H
#define BUFWRITER_LANE_RESTORE_H

#include "daemon/intake/lane_handout.h"

/*
 * Takes the `stored` descriptors that systemd passed.  Loop thread, before the
 * lanes' socket is served.
 */
void lane_restore(struct lane_handout *h, unsigned stored);

#endif
