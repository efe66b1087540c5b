/* SPDX-License-Identifier: MIT */
/* See fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A target may have put another stream in place of stderr. */
void fuzz_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	dprintf(STDERR_FILENO, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vdprintf(STDERR_FILENO, fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "\n");
	abort();
}

uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < bytes && in->left; i++, in->left--)
		n |= (uint64_t)*in->data++ << 8 * i;
	return n;
}

char *fuzz_text(struct fuzz_input *in, size_t bytes)
{
	char *text;

	if (bytes > in->left)
		bytes = in->left;
	text = malloc(bytes + 1);
	FUZZ_CHECK(text, "out of memory");
	memcpy(text, in->data, bytes);
	text[bytes] = '\0';
	in->data += bytes;
	in->left -= bytes;
	return text;
}

struct fuzz_input fuzz_until_line(struct fuzz_input *in, const char *end)
{
	struct fuzz_input before = { in->data, 0 };
	size_t len = strlen(end), line;
	const uint8_t *nl;
	bool found = false;

	while (in->left && !found) {
		nl = memchr(in->data, '\n', in->left);
		line = nl ? (size_t)(nl - in->data) : in->left;
		found = line == len && !memcmp(in->data, end, len);
		if (nl)
			line++;
		if (!found)
			before.left += line;
		in->data += line;
		in->left -= line;
	}
	return before;
}

bool fuzz_is_line(const char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return false;
	return true;
}

const char *fuzz_dir(void)
{
	static char dir[PATH_MAX];
	const char *tmp = getenv("TMPDIR");

	if (*dir)
		return dir;
	snprintf(dir, sizeof(dir), "%s/bw-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	FUZZ_CHECK(mkdtemp(dir), "%s: %s", dir, strerror(errno));
	return dir;
}

void fuzz_write(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0, "%s: %s", path, strerror(errno));
	FUZZ_CHECK(write(fd, data, size) == (ssize_t)size, "%s: %s", path,
		   strerror(errno));
	close(fd);
}
