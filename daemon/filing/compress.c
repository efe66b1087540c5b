/* SPDX-License-Identifier: MIT */
/* See compress.h. */
#include "daemon/filing/compress.h"

#include <errno.h>

#ifdef BW_ZSTD

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "daemon/base/failpoint.h"

/* Higher levels make events hardly smaller, and take twice the time. */
#define LEVEL 1

/* How many bytes the frame has that makes zstd reserve its memory. */
#define WARM_UP (1 << 20)

struct compressor {
	ZSTD_CCtx *zstd;
	uint8_t *piece;
	size_t piece_bytes;
};

bool compress_is_built(void)
{
	return true;
}

/* One step; *left is 0 when all was passed on. */
static int step(struct compressor *c, ZSTD_inBuffer *in, ZSTD_EndDirective how,
		size_t *left, compress_write_fn *write, void *arg)
{
	ZSTD_outBuffer out = { c->piece, c->piece_bytes, 0 };

	*left = ZSTD_compressStream2(c->zstd, &out, in, how);
	if (ZSTD_isError(*left))
		return -EIO;
	(void)FAILPOINT("compress.piece");
	return out.pos ? write(arg, c->piece, out.pos) : 0;
}

int compress_frame(struct compressor *c, const void *data, size_t len,
		   compress_write_fn *write, void *arg)
{
	ZSTD_inBuffer in = { data, len, 0 };
	size_t left;
	int err = 0;

	/* What a failed frame left. */
	ZSTD_CCtx_reset(c->zstd, ZSTD_reset_session_only);
	/*
	 * A frame whose first step is its end would be told its length.
	 * Each step takes input, or passes a full piece on.
	 */
	while (!err && in.pos < in.size)
		err = step(c, &in, ZSTD_e_continue, &left, write, arg);
	if (err)
		return err;
	do {
		err = step(c, &in, ZSTD_e_end, &left, write, arg);
	} while (!err && left);
	return err;
}

static int forget(void *arg, const void *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

/* Makes zstd reserve all of its memory, and touches it. */
static int warm_up(struct compressor *c)
{
	uint8_t *data = malloc(WARM_UP);
	uint64_t n = 1;
	size_t i;
	int err;

	if (!data)
		return -ENOMEM;
	/* Nothing that could be left out. */
	for (i = 0; i < WARM_UP; i++) {
		n = n * 6364136223846793005 + 1442695040888963407;
		data[i] = n >> 56;
	}
	err = compress_frame(c, data, WARM_UP, forget, NULL);
	free(data);
	return err ? -ENOMEM : 0;
}

static bool set_up(struct compressor *c)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(
		       c->zstd, ZSTD_c_compressionLevel, LEVEL)) &&
	       !ZSTD_isError(
		       ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1));
}

int compress_open(struct compressor **out)
{
	struct compressor *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->piece_bytes = ZSTD_CStreamOutSize();
	c->piece = malloc(c->piece_bytes);
	c->zstd = ZSTD_createCCtx();
	if (!c->piece || !c->zstd || !set_up(c) || warm_up(c)) {
		compress_close(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void compress_close(struct compressor *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->zstd);
	free(c->piece);
	free(c);
}

size_t compress_bytes(const struct compressor *c)
{
	return sizeof(*c) + c->piece_bytes + ZSTD_sizeof_CCtx(c->zstd);
}

#else

bool compress_is_built(void)
{
	return false;
}

int compress_open(struct compressor **out)
{
	*out = NULL;
	return -ENOSYS;
}

void compress_close(struct compressor *c)
{
	(void)c;
}

int compress_frame(struct compressor *c, const void *data, size_t len,
		   compress_write_fn *write, void *arg)
{
	(void)c;
	(void)data;
	(void)len;
	(void)write;
	(void)arg;
	return -ENOSYS;
}

size_t compress_bytes(const struct compressor *c)
{
	(void)c;
	return 0;
}

#endif
