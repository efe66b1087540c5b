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

/* Room for the text: two numbers, and a path that fits sun_path. */
#define TEXT_BYTES 256

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

/*
 * What stands behind KEY in the published text, up to the next comma, or NULL.
 * Keys are separated by commas, and a path in the text has none.
 */
static const char *find(const char *text, const char *key, size_t *len)
{
	const char *end;

	for (; text; text = *end ? end + 1 : NULL) {
		end = strchrnul(text, ',');
		if (!strncmp(text, key, strlen(key))) {
			*len = end - text - strlen(key);
			return text + strlen(key);
		}
	}
	return NULL;
}

/* What is no number, or 0, is not the daemon's: `unknown`. */
static size_t number(const char *text, const char *key, size_t unknown)
{
	size_t n = 0, len, i;

	text = find(text, key, &len);
	for (i = 0; text && i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || n > SIZE_MAX / 10 - 1)
			return unknown;
		n = n * 10 + (text[i] - '0');
	}
	return n ? n : unknown;
}

/* Reads the link.  False: there is none that can be read. */
static bool read_link(const char *socket, char path[PATH_BYTES],
		      char text[TEXT_BYTES])
{
	int err = errno;
	ssize_t len;

	derive_path(path, socket);
	len = readlink(path, text, TEXT_BYTES - 1);
	errno = err;
	if (len <= 0)
		return false;
	text[len] = '\0';
	return true;
}

int bw_limit_lanes_path(const char *socket, char path[BW_LANES_PATH_BYTES],
			char beside[BW_LANES_PATH_BYTES])
{
	char link[PATH_BYTES], text[TEXT_BYTES];
	const char *found, *name, *end;
	size_t len;
	int n;

	if (!read_link(socket, link, text))
		return -ENOENT;
	found = find(text, "lanes=", &len);
	if (!found || !len || len >= BW_LANES_PATH_BYTES)
		return -EOPNOTSUPP;
	memcpy(path, found, len);
	path[len] = '\0';
	name = strrchr(path, '/');
	end = strrchr(link, '/');
	n = snprintf(beside, BW_LANES_PATH_BYTES, "%.*s%s",
		     end ? (int)(end + 1 - link) : 0, link,
		     name ? name + 1 : path);
	if (n >= (int)BW_LANES_PATH_BYTES)
		beside[0] = '\0';
	return 0;
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
	char path[PATH_BYTES], text[TEXT_BYTES];
	size_t bytes = SIZE_MAX;
	size_t large = 0;

	if (read_link(socket, path, text)) {
		bytes = number(text, "max_message=", SIZE_MAX);
		large = number(text, "large=", 0);
	}
	atomic_store_explicit(&limit->large, large, memory_order_relaxed);
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
