/* SPDX-License-Identifier: MIT */
/*
 * The number that tells this installation apart from every other, see
 * machine-id(5).  Any thread.
 */
#ifndef BUFWRITER_MACHINE_ID_H
#define BUFWRITER_MACHINE_ID_H

#define MACHINE_ID_FILE "/etc/machine-id"
#define MACHINE_ID 33 /* 32 hexadecimal digits and a NUL */

/*
 * Reads the id from the file.  0; -errno; or -EINVAL: the file does not hold
 * one, for example because the first boot has yet to write it.
 */
int machine_id_read(const char *file, char id[MACHINE_ID]);

#endif
