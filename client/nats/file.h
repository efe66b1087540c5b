/* SPDX-License-Identifier: MIT */
/*
 * The files at both ends of bufwriter-nats, and their names.  Nothing here knows
 * NATS.  What fails is named on standard error.
 */
#ifndef BUFWRITER_NATS_FILE_H
#define BUFWRITER_NATS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names the operation, the path and errno; EX_IOERR. */
int file_fail(const char *op, const char *path);

/*
 * A name that is one component of a path, and no dot file: a dot is before it
 * while the file is unfinished.
 */
bool file_is_name(const char *name);
/* FNV-1a of the content. */
uint64_t file_hash(const char *data, size_t len);

/* A whole file; the caller frees *data.  0, or an exit status. */
int file_read(const char *path, char **data, size_t *len);
/*
 * Writes DIR/HOST/NAME to the disk, by a temporary file and a rename, unless it
 * is there or in DONE/HOST already; done may be NULL.  If another file of its
 * name is there, it gets the name of a twin, which bufwriter-centre(8) sets
 * aside.  0, or an exit status.
 */
int file_store_once(const char *dir, const char *done, const char *host,
		    const char *name, const char *data, size_t len);

#endif
