/* SPDX-License-Identifier: MIT */
/*
 * A complete file -> the bytes in it, in bounded pieces: the file as it is, or
 * what its zstd frames hold.  Frames may follow one another, as in files that
 * were put together.  Whatever the bytes are, memory is bounded.
 */
#ifndef BUFWRITER_UNPACK_H
#define BUFWRITER_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads as read(2): a number of bytes, 0 at the end, or -errno. */
typedef ssize_t unpack_read_fn(void *arg, void *to, size_t room);
/* Takes the next bytes.  0, or a value that ends the reading. */
typedef int unpack_take_fn(void *arg, const char *data, size_t len);

struct unpack {
	unpack_read_fn *read;
	unpack_take_fn *take;
	void *arg; /* of both */
	bool compressed;
};

/* Does the name say that the file is compressed? */
bool unpack_is_compressed(const char *name);
/*
 * Reads all of it.  0; what take() returned; -errno of read(); or -EBADMSG,
 * -ENOMEM or -ENOSYS (built without libzstd) with a reason in *why, which
 * follows the name of the file in a sentence.
 */
int unpack_run(const struct unpack *u, const char **why);

#endif
