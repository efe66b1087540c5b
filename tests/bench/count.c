/* SPDX-License-Identifier: MIT */
/*
 * Proves what arrived: reads files, directories or standard input ("-"),
 * finds every benchmark message (message.h) and prints how many are there
 * whole and for the first time, how many twice, how many torn.
 *
 * Only text between messages is skipped, so it does not matter what a daemon
 * puts before each line.  Dot files are counted too: they are data that was
 * not finished.  A message is known by sender and number; one bit for each.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "message.h"

#define NUMBER_MAX (UINT64_C(1) << 30)

static uint64_t unique, duplicate, broken, files, bytes;
static uint8_t *seen[MSG_SENDERS];
static size_t seen_size[MSG_SENDERS];

static int get_number(const char *at, unsigned width, uint64_t *v)
{
	for (*v = 0; width--; at++) {
		if (*at < '0' || *at > '9')
			return -1;
		*v = *v * 10 + (uint64_t)(*at - '0');
	}
	return 0;
}

static void mark(uint64_t sender, uint64_t number)
{
	size_t byte = number / 8;

	if (byte >= seen_size[sender]) {
		size_t size = (byte + 1) * 2 + 65536;

		seen[sender] = realloc(seen[sender], size);
		if (!seen[sender]) {
			perror("count");
			exit(1);
		}
		memset(seen[sender] + seen_size[sender], 0,
		       size - seen_size[sender]);
		seen_size[sender] = size;
	}
	if (seen[sender][byte] & (1u << number % 8)) {
		duplicate++;
		return;
	}
	seen[sender][byte] |= (uint8_t)(1u << number % 8);
	unique++;
}

/* Returns the bytes of the message at `at`, or 0 if it is not whole. */
static size_t check(const char *at, size_t left)
{
	uint64_t sender, number, len;
	const char *end;

	if (left < MSG_MIN || get_number(at + 4, 3, &sender) ||
	    get_number(at + 8, 10, &number) || get_number(at + 19, 6, &len) ||
	    sender >= MSG_SENDERS || number >= NUMBER_MAX || len < MSG_MIN)
		return 0;
	end = memchr(at, '\n', left);
	if (!end || (size_t)(end - at) + 1 != len)
		return 0;
	mark(sender, number);
	return len;
}

static void scan(const char *p, size_t size)
{
	const char *end = p + size, *at;

	bytes += size;
	files++;
	while ((at = memmem(p, (size_t)(end - p), MSG_MARK, 4))) {
		size_t len = check(at, (size_t)(end - at));

		if (!len)
			broken++;
		p = at + (len ? len : 4);
	}
}

static int scan_file(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	void *p;
	int fd;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || !st->st_size)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		return -1;
	}
	p = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		perror(path);
		return -1;
	}
	scan(p, (size_t)st->st_size);
	munmap(p, (size_t)st->st_size);
	return 0;
}

static int scan_input(void)
{
	size_t size = 0, room = 1 << 20;
	char *buf = malloc(room), *more;
	ssize_t n;

	while (buf && (n = read(0, buf + size, room - size)) > 0) {
		size += (size_t)n;
		if (size < room)
			continue;
		room *= 2;
		more = realloc(buf, room);
		if (!more)
			free(buf);
		buf = more;
	}
	if (!buf)
		return -1;
	scan(buf, size);
	free(buf);
	return 0;
}

int main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-"))
			bad |= scan_input();
		else
			bad |= nftw(argv[i], scan_file, 16, FTW_PHYS);
	}
	printf("unique=%llu duplicate=%llu broken=%llu files=%llu "
	       "stored=%llu\n",
	       (unsigned long long)unique, (unsigned long long)duplicate,
	       (unsigned long long)broken, (unsigned long long)files,
	       (unsigned long long)bytes);
	return bad ? 1 : 0;
}
