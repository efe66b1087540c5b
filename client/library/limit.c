/* SPDX-License-Identifier: MIT */
/* See limit.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/library/limit.h"

/*
 * A message of up to so many bytes is sent without a look at the limit, unless
 * that is smaller.  For a larger one the link is read again once the limit is
 * a second old, which costs little beside the copying of the message.
 */
#define FREE_BYTES 4096
#define AGE_MS 1000

#define KEY "max_message="

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

#define PATH_BYTES (sizeof(((struct sockaddr_un *)0)->sun_path) + 8)

/* DIR/NAME.sock has DIR/NAME/limits, and DIR/NAME has DIR/NAME.limits. */
static void derive_path(char path[PATH_BYTES], const char *socket)
{
	const char *name = strrchr(socket, '/');
	size_t len = strlen(socket);

	if (name && socket + len - name > 6 &&
	    !strcmp(socket + len - 5, ".sock"))
		snprintf(path, PATH_BYTES, "%.*s/limits", (int)len - 5, socket);
	else
		snprintf(path, PATH_BYTES, "%s.limits", socket);
}

/* What is no number, or 0, is not the daemon's: unknown. */
static size_t parse(const char *text)
{
	size_t n = 0;

	if (strncmp(text, KEY, strlen(KEY)))
		return SIZE_MAX;
	for (text += strlen(KEY); *text >= '0' && *text <= '9'; text++) {
		if (n > SIZE_MAX / 10 - 1)
			return SIZE_MAX;
		n = n * 10 + (*text - '0');
	}
	return n && (!*text || *text == ',') ? n : SIZE_MAX;
}

size_t bw_limit_length(const struct iovec *iov, size_t iovcnt)
{
	size_t len = 0, i;

	for (i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > SSIZE_MAX - len)
			return 0;
		len += iov[i].iov_len;
	}
	return len;
}

void bw_limit_read(struct bw_limit *limit, const char *socket)
{
	char path[PATH_BYTES], text[64];
	size_t bytes = SIZE_MAX;
	int err = errno;
	ssize_t len;

	derive_path(path, socket);
	len = readlink(path, text, sizeof(text) - 1);
	errno = err;
	if (len > 0) {
		text[len] = '\0';
		bytes = parse(text);
	}
	atomic_store_explicit(&limit->bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&limit->free_bytes,
			      bytes < FREE_BYTES ? bytes : FREE_BYTES,
			      memory_order_relaxed);
	atomic_store_explicit(&limit->read_ms, now_ms(), memory_order_relaxed);
}

/*
 * A refusal is always based on a limit that was read just now: the daemon may
 * have been restarted with a larger one behind a socket of systemd's, which
 * the library cannot see.
 */
bool bw_limit_look(struct bw_limit *limit, const char *socket, size_t len)
{
	int64_t read_ms = atomic_load_explicit(&limit->read_ms,
					       memory_order_relaxed);

	if (bw_limit_is_exceeded(limit, len) || now_ms() - read_ms >= AGE_MS)
		bw_limit_read(limit, socket);
	return bw_limit_is_exceeded(limit, len);
}
