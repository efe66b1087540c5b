/* SPDX-License-Identifier: MIT */
/* See writers.h. */
#define _GNU_SOURCE
#include "tests/chaos/writers.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/library/bufwriter.h"
#include "tests/chaos/bound.h"
#include "tests/chaos/stage.h"
#include "tests/lib/bed.h"

/* A program that has written so many waits for its end. */
#define MOST (1u << 18)
/* A directory can be moved away, and a file taken, while somebody looks. */
#define LOOK_S 10
/* Each reads all files. */
#define MOST_LOOKS 30

enum { NOTHING, CALLED, TAKEN, REFUSED };

struct page {
	_Atomic int stop, hold;
	_Atomic uint32_t next; /* message */
	_Atomic uint64_t slowest_us, flushes, found;
	char wrong[256];
	_Atomic uint8_t outcome[MOST];
};

static struct writer {
	const struct writer_plan *plan;
	char path[BED_PATH];
	bool looks;
	pid_t pid;
	struct page *page; /* shared */
} writers[PLAN_WRITERS];

static uint64_t kills;

/* -- the program --------------------------------------------------------- */

/* No check of libcheck here: it would write into the test's report. */

static uint8_t message[WRITERS_LARGEST];

__attribute__((noreturn, format(printf, 2, 3))) static void
give_up(struct writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->page->wrong, sizeof(w->page->wrong), fmt, ap);
	va_end(ap);
	_exit(1);
}

static bool file_has(int dir, const char *name, size_t len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	bool has = false;
	const char *why;
	char *data;
	size_t n;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && (data = malloc((size_t)st.st_size + 1))) {
		n = (size_t)st.st_size;
		if (read(fd, data, n) == (ssize_t)n)
			data = file_unpack(name, data, &n, &why);
		has = data && memmem(data, n, message, len);
		free(data);
	}
	close(fd);
	return has;
}

static bool dir_has(const char *path, size_t len)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);
	bool has = false;

	while (dir && !has && (entry = readdir(dir)))
		has = entry->d_name[0] != '.' &&
		      file_has(dirfd(dir), entry->d_name, len);
	if (dir)
		closedir(dir);
	return has;
}

/* Is this message in a complete file now? */
static bool is_filed(size_t len)
{
	char path[BED_PATH];
	double since = suite_now();
	unsigned i;

	do {
		if (dir_has(bed.files, len))
			return true;
		for (i = 0; i < STAGE_MOVED; i++) {
			stage_moved(path, i);
			if (dir_has(path, len))
				return true;
		}
		snprintf(path, sizeof(path), "%.90s/shipped", bed.root);
		if (dir_has(path, len))
			return true;
		usleep(1000);
	} while (suite_now() - since < LOOK_S);
	return false;
}

/* The message in the buffer is number n, and was the last one. */
static void flush(struct writer *w, struct bw *bw, uint32_t n, size_t len)
{
	struct page *page = w->page;

	if (bw_flush(bw))
		return;
	page->flushes++;
	if (!w->looks || page->outcome[n] != TAKEN || len < 16 ||
	    page->found >= MOST_LOOKS)
		return;
	if (!is_filed(len))
		give_up(w,
			"message %u of %zu bytes is in no file after a "
			"flush: %.40s",
			n, len, (char *)message);
	page->found++;
}

/* Some are built in place. */
static int write_one(struct bw *bw, uint32_t n, size_t len)
{
	void *place;
	int err;

	if (n % 3)
		return bw_write(bw, message, len);
	err = bw_reserve(bw, len, &place);
	if (err)
		return err;
	memcpy(place, message, len);
	return bw_commit(bw, place, len);
}

static void write_timed(struct writer *w, struct bw *bw, uint32_t n)
{
	const struct writer_plan *plan = w->plan;
	size_t len = flow_message(&plan->flow, n, message);
	struct page *page = w->page;
	double began = suite_now();
	uint64_t us;
	int err;

	page->outcome[n] = CALLED;
	page->next = n + 1;
	err = write_one(bw, n, len);
	page->outcome[n] = err ? REFUSED : TAKEN;
	us = (uint64_t)((suite_now() - began) * 1e6);
	if (us > page->slowest_us)
		page->slowest_us = us;
	if (plan->flush_each && n % plan->flush_each == plan->flush_each - 1)
		flush(w, bw, n, len);
}

/* Before that the library would send what is too large as a datagram. */
static void wait_for_limit(const struct writer *w)
{
	char path[BED_PATH + 8];
	struct stat st;

	snprintf(path, sizeof(path), "%s.limits", w->path);
	while (lstat(path, &st) && !w->page->stop)
		usleep(1000);
}

static void run(struct writer *w)
{
	const struct flow *flow = &w->plan->flow;
	struct bw_options options = BW_OPTIONS;
	struct page *page = w->page;
	struct bw *bw;
	uint32_t n;

	wait_for_limit(w);
	options.socket = w->path;
	options.timeout = w->plan->timeout_ms;
	options.lanes = w->plan->lanes;
	if (bw_open(&bw, &options))
		give_up(w, "bw_open() failed");
	for (n = page->next; n < MOST && !page->stop; n++) {
		write_timed(w, bw, n);
		if (!flow->pause_each || n % flow->pause_each == 0)
			usleep(flow->pause_us);
		while (page->hold && !page->stop)
			usleep(1000);
	}
	while (!page->stop)
		usleep(1000);
	bw_close(bw);
	_exit(0);
}

/* -- the test ------------------------------------------------------------ */

static struct page *new_page(void)
{
	void *page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(page, MAP_FAILED);
	return page;
}

static void begin(struct writer *w)
{
	w->pid = fork();
	ck_assert_int_ge(w->pid, 0);
	if (w->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The copy of a connection in the store would hide its end. */
	close_range(3, ~0u, 0);
	run(w);
}

void writers_start(const struct plan *plan, bool looks)
{
	struct writer *w;
	unsigned i;

	for (i = 0; i < plan->writers; i++) {
		w = &writers[i];
		w->plan = &plan->writer[i];
		w->looks = looks;
		snprintf(w->path, sizeof(w->path), "%s",
			 w->plan->socket ? bed_also(w->plan->socket - 1) :
					   bed.sock);
		if (!w->page)
			w->page = new_page();
		w->page->stop = 0;
		begin(w);
	}
}

void writers_hold(bool hold)
{
	unsigned i;

	for (i = 0; i < PLAN_WRITERS; i++)
		if (writers[i].page)
			writers[i].page->hold = hold;
}

void writers_kill(unsigned i)
{
	struct writer *w = &writers[i];

	if (!w->pid)
		return;
	kill(w->pid, SIGKILL);
	ck_assert_int_eq(waitpid(w->pid, NULL, 0), w->pid);
	kills++;
	/* One that found something wrong was dead already. */
	if (!w->page->wrong[0])
		begin(w);
	else
		w->pid = 0;
}

static bool has_ended(struct writer *w, int *status)
{
	pid_t pid = waitpid(w->pid, status, WNOHANG);

	ck_assert(!pid || pid == w->pid);
	return pid != 0;
}

void writers_end(void)
{
	struct writer *w;
	int status;

	for (w = writers; w < writers + PLAN_WRITERS; w++)
		if (w->pid)
			w->page->stop = 1;
	for (w = writers; w < writers + PLAN_WRITERS; w++) {
		if (!w->pid)
			continue;
		UNTIL(has_ended(w, &status));
		w->pid = 0;
		REQUIRE(!status || w->page->wrong[0],
			"a program ended with %#x", (unsigned)status);
	}
}

uint64_t writers_count(unsigned i)
{
	return writers[i].page ? writers[i].page->next : 0;
}

static void expect_one(const struct writer *w, uint32_t n, struct tally *tally,
		       struct writers_sum *sum)
{
	uint8_t outcome = w->page->outcome[n];
	size_t len;

	if (outcome == REFUSED) {
		sum->refused++;
		return;
	}
	len = flow_message(&w->plan->flow, n, message);
	if (outcome == TAKEN) {
		tally_expect(tally, message, len);
		sum->taken++;
	} else {
		tally_may(tally, message, len);
		sum->unknown++;
	}
}

const char *writers_expect(const struct plan *plan, struct tally *tally,
			   struct writers_sum *sum)
{
	const struct writer *w;
	const char *wrong = NULL;
	uint32_t n;

	memset(sum, 0, sizeof(*sum));
	sum->kills = kills;
	for (w = writers; w < writers + plan->writers; w++) {
		for (n = 0; n < w->page->next; n++)
			expect_one(w, n, tally, sum);
		sum->flushes += w->page->flushes;
		sum->found += w->page->found;
		if (w->page->wrong[0])
			return w->page->wrong;
		if (!wrong)
			wrong = bound_judge_own((double)w->page->slowest_us /
							1e6,
						w->plan->timeout_ms);
	}
	return wrong;
}
