/* SPDX-License-Identifier: MIT */
/*
 * Unfinished files that a former life of the daemon left, and that no record
 * names any more: files.path was replaced while it ran, or the region was lost
 * in a power failure.  At start, after the recovery and before the workers.
 */
#ifndef BUFWRITER_LEFTOVERS_H
#define BUFWRITER_LEFTOVERS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Removes them from a directory; `dots`: they are the dot files in it.  Takes
 * only regular files of the daemon's user with a name that a daemon makes, and
 * of these only what the daemon of this number made (0: none), or what is from
 * before the last boot, when no daemon can know of it.  Files of another
 * daemon, which may be dead and name them in its region, stay.
 * Returns how many were removed.
 */
unsigned leftovers_remove(const char *dir, bool dots, uint64_t number);

#endif
