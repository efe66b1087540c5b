/* SPDX-License-Identifier: MIT */
/*
 * What /proc says about a process: its command, its start, its unit.
 *
 * The unit is what sd_pid_get_unit(3) would answer, as far as the text of
 * /proc/PID/cgroup goes: systemd's cg_path_get_unit() (src/basic/cgroup-util.c)
 * skips the slices at the beginning of the path, and the component after them is
 * the unit.  So what a user makes below user@UID.service or below a service does
 * not look like a unit of its own, and nobody can pass for the service of
 * another.
 *
 * Touches files, so not on the loop thread.
 */
#ifndef BUFWRITER_SENDER_PROC_H
#define BUFWRITER_SENDER_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/intake/senders.h"

/*
 * Completes the answer about answer->id.  It is found only if the process runs
 * and is this user's, by one of its user ids.
 */
void sender_proc_read(struct sender_answer *answer);

/* Can the processes of other users be seen at all? */
bool sender_proc_is_visible(void);

/* -- texts ---------------------------------------------------------------- */

/*
 * The unit in the text of /proc/PID/cgroup: of the line "0::", or with the old
 * hierarchies of the line "name=systemd".  Empty: none.
 */
void sender_proc_unit(const char *cgroup, char unit[SENDER_UNIT_NAME]);
/*
 * Command and start in the text of /proc/PID/stat.  The command may hold any
 * byte, also what comes after it in other lines.
 */
bool sender_proc_stat(const char *stat, size_t len,
		      struct sender_answer *answer);
/* Is this one of the user ids in the text of /proc/PID/status? */
bool sender_proc_is_user(const char *status, uint32_t uid);

#endif
