/* SPDX-License-Identifier: MIT */
/*
 * Bytes -> one zstd frame with a checksum, in bounded pieces.
 *
 * All memory is reserved by compress_open(): later calls allocate nothing.
 * zstd keeps its memory from one frame to the next only if each frame asks for
 * the same amount, so no frame is told its length in advance.  (The functions
 * for memory of the caller are not part of zstd's stable interface.)
 *
 * One thread owns a struct compressor.
 */
#ifndef BUFWRITER_COMPRESS_H
#define BUFWRITER_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>

struct compressor;

/* Is libzstd built in? */
bool compress_is_built(void);
/* 0 and a new compressor, -ENOMEM, or -ENOSYS without libzstd. */
int compress_open(struct compressor **out);
/* `c` may be NULL. */
void compress_close(struct compressor *c);

/* Takes the next bytes of the frame.  0 or -errno. */
typedef int compress_write_fn(void *arg, const void *data, size_t len);

/*
 * One frame of these bytes, passed to write(arg, ...) in pieces.  Can be
 * repeated after any failure.  0; or -errno, that of write() or -EIO if zstd
 * itself fails, which it has no reason for.
 */
int compress_frame(struct compressor *c, const void *data, size_t len,
		   compress_write_fn *write, void *arg);

/* Bytes of memory that the compressor has reserved. */
size_t compress_bytes(const struct compressor *c);

#endif
