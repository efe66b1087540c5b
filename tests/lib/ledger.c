/* SPDX-License-Identifier: MIT */
/* See ledger.h. */
#define _GNU_SOURCE
#include "tests/lib/ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/lib/bed.h"

/* "LLLLL NNNNNNNNNN " and then a letter that depends on both, and a newline */
#define HEAD 17

static char fill_of(unsigned line, uint64_t n)
{
	return (char)('a' + (line * 7 + n) % 26);
}

static void put(char *at, unsigned width, uint64_t v)
{
	while (width--) {
		at[width] = (char)('0' + v % 10);
		v /= 10;
	}
}

static void make(char text[LEDGER_BYTES], unsigned line, uint64_t n)
{
	put(text, 5, line);
	text[5] = ' ';
	put(text + 6, 10, n);
	text[16] = ' ';
	memset(text + HEAD, fill_of(line, n), LEDGER_BYTES - HEAD - 1);
	text[LEDGER_BYTES - 1] = '\n';
}

void ledger_open(struct ledger *ledger, unsigned lines)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->lines = lines;
	ledger->line = mmap(NULL, lines * sizeof(*ledger->line),
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ck_assert_ptr_ne(ledger->line, MAP_FAILED);
}

void ledger_close(struct ledger *ledger)
{
	munmap(ledger->line, ledger->lines * sizeof(*ledger->line));
}

void ledger_write(struct ledger *ledger, unsigned line, struct bw *bw)
{
	struct ledger_line *l = &ledger->line[line];
	/* relaxed: the line has one writer at a time */
	uint64_t n = atomic_load_explicit(&l->begun, memory_order_relaxed);
	char text[LEDGER_BYTES];

	make(text, line, n);
	atomic_store_explicit(&l->begun, n + 1, memory_order_release);
	if (bw_write(bw, text, sizeof(text)))
		atomic_fetch_add_explicit(&l->failed, 1, memory_order_relaxed);
	else
		/* release: after the call; a killed writer comes here or not */
		atomic_store_explicit(&l->returned, n + 1,
				      memory_order_release);
}

uint64_t ledger_returned(const struct ledger *ledger)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < ledger->lines; i++)
		n += atomic_load(&ledger->line[i].returned);
	return n;
}

uint64_t ledger_failed(const struct ledger *ledger)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < ledger->lines; i++)
		n += atomic_load(&ledger->line[i].failed);
	return n;
}

/* The number in these digits, or UINT64_MAX. */
static uint64_t number(const char *at, unsigned width)
{
	uint64_t v = 0;

	for (; width--; at++) {
		if (*at < '0' || *at > '9')
			return UINT64_MAX;
		v = v * 10 + (uint64_t)(*at - '0');
	}
	return v;
}

static void take(struct ledger *ledger, uint8_t **seen, const char *text,
		 size_t len)
{
	uint64_t line, n;
	char whole[LEDGER_BYTES];

	if (len < LEDGER_BYTES) {
		ledger->torn++;
		return;
	}
	line = number(text, 5);
	n = number(text + 6, 10);
	if (line >= ledger->lines ||
	    n >= atomic_load(&ledger->line[line].begun)) {
		ledger->torn++;
		return;
	}
	make(whole, (unsigned)line, n);
	if (memcmp(whole, text, LEDGER_BYTES)) {
		ledger->torn++;
	} else if (seen[line][n / 8] & (1u << n % 8)) {
		ledger->doubled++;
	} else {
		seen[line][n / 8] |= (uint8_t)(1u << n % 8);
		ledger->found++;
	}
}

static void read_file(struct ledger *ledger, uint8_t **seen, const char *path)
{
	struct stat st;
	char *data;
	size_t at;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0 && !fstat(fd, &st), "cannot read %s", path);
	if (st.st_size) {
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
			    fd, 0);
		REQUIRE(data != MAP_FAILED, "cannot map %s", path);
		for (at = 0; at < (size_t)st.st_size; at += LEDGER_BYTES)
			take(ledger, seen, data + at, (size_t)st.st_size - at);
		munmap(data, (size_t)st.st_size);
	}
	close(fd);
}

static void count(struct ledger *ledger, uint8_t **seen)
{
	struct dirent *e;
	DIR *dir = opendir(bed.files);
	uint64_t n, lost;
	unsigned i;

	REQUIRE(dir, "cannot open %s", bed.files);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			read_file(ledger, seen,
				  bed_text("%s/%s", bed.files, e->d_name));
	closedir(dir);
	for (i = 0; i < ledger->lines; i++) {
		lost = 0;
		for (n = 0; n < atomic_load(&ledger->line[i].returned); n++)
			lost += !(seen[i][n / 8] & (1u << n % 8));
		ledger->lost += lost;
		if (lost > ledger->most_lost)
			ledger->most_lost = lost;
	}
}

void ledger_require(struct ledger *ledger, uint64_t may_lose)
{
	uint8_t **seen = calloc(ledger->lines, sizeof(*seen));
	unsigned i;

	ck_assert_ptr_nonnull(seen);
	for (i = 0; i < ledger->lines; i++) {
		seen[i] = calloc(atomic_load(&ledger->line[i].begun) / 8 + 1,
				 1);
		ck_assert_ptr_nonnull(seen[i]);
	}
	count(ledger, seen);
	for (i = 0; i < ledger->lines; i++)
		free(seen[i]);
	free(seen);
	printf("%" PRIu64 " messages returned, %" PRIu64 " found, %" PRIu64
	       " calls failed, lost %" PRIu64 ", doubled %" PRIu64
	       ", torn %" PRIu64 "\n",
	       ledger_returned(ledger), ledger->found, ledger_failed(ledger),
	       ledger->lost, ledger->doubled, ledger->torn);
	REQUIRE(ledger->most_lost <= may_lose && !ledger->doubled &&
			!ledger->torn,
		"lost %" PRIu64 ", doubled %" PRIu64 ", torn %" PRIu64,
		ledger->lost, ledger->doubled, ledger->torn);
	REQUIRE(dir_empty(bed.temp), "temp files are left behind");
}
