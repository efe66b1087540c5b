/* SPDX-License-Identifier: MIT */
/* See unpack.h. */
#include "client/command/unpack.h"

#include <errno.h>
#include <string.h>
#ifdef BW_ZSTD
#include <zstd.h>
#endif

#define PIECE (128 << 10)

bool unpack_is_compressed(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".zst");
}

static int copy_all(const struct unpack *u)
{
	static char data[PIECE];
	ssize_t n;
	int err;

	while ((n = u->read(u->arg, data, sizeof(data))) > 0) {
		err = u->take(u->arg, data, n);
		if (err)
			return err;
	}
	return n < 0 ? (int)n : 0;
}

#ifdef BW_ZSTD

static int fail(const char **why, const char *reason)
{
	*why = reason;
	return -EBADMSG;
}

/*
 * Decompresses what was read.  `left` is 0 between two frames.  0, -EBADMSG
 * with a reason, or what take() returned.
 */
static int decompress(const struct unpack *u, ZSTD_DCtx *zstd,
		      ZSTD_inBuffer *in, size_t *left, const char **why)
{
	static char data[PIECE];
	ZSTD_outBuffer out;
	int err;

	/* A full piece of output may not be all that this input gives. */
	do {
		out = (ZSTD_outBuffer){ data, sizeof(data), 0 };
		*left = ZSTD_decompressStream(zstd, &out, in);
		if (ZSTD_isError(*left))
			return fail(why, ZSTD_getErrorName(*left));
		err = out.pos ? u->take(u->arg, data, out.pos) : 0;
		if (err)
			return err;
	} while (in->pos < in->size || (*left && out.pos == out.size));
	return 0;
}

/* Do these bytes, from `at` on, begin as a frame does? */
static bool may_be_frame(size_t at, const char *data, size_t len)
{
	static const char magic[4] = { '\x28', '\xb5', '\x2f', '\xfd' };

	for (; at < sizeof(magic) && len; at++, data++, len--)
		if (*data != magic[at])
			return false;
	return true;
}

static int read_frames(const struct unpack *u, ZSTD_DCtx *zstd,
		       const char **why)
{
	static char data[PIECE];
	size_t left = 1, total = 0;
	ssize_t n;
	int err;

	while ((n = u->read(u->arg, data, sizeof(data))) > 0) {
		ZSTD_inBuffer in = { data, n, 0 };

		if (!may_be_frame(total, data, n))
			return fail(why, "is not compressed by zstd, although "
					 "its name ends in .zst");
		total += n;
		err = decompress(u, zstd, &in, &left, why);
		if (err)
			return err;
	}
	if (n < 0)
		return (int)n;
	if (left && total)
		return fail(why, "is not whole: its zstd frame has no end");
	return 0;
}

static int unpack_all(const struct unpack *u, const char **why)
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	int err;

	if (!zstd) {
		*why = "cannot be read: out of memory";
		return -ENOMEM;
	}
	err = read_frames(u, zstd, why);
	ZSTD_freeDCtx(zstd);
	return err;
}

#else

static int unpack_all(const struct unpack *u, const char **why)
{
	(void)u;
	*why = "is compressed, and this command was built without libzstd; "
	       "'zstd -dc' can read it";
	return -ENOSYS;
}

#endif

int unpack_run(const struct unpack *u, const char **why)
{
	*why = NULL;
	return u->compressed ? unpack_all(u, why) : copy_all(u);
}
