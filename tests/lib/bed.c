/* SPDX-License-Identifier: MIT */
/* The test bed: directory, deadlines, texts, suite.  See bed.h. */
#define _GNU_SOURCE
#include "tests/lib/bed.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/sender.h"

#if defined(__SANITIZE_THREAD__)
#define SAN_PERCENT 10
#elif defined(__SANITIZE_ADDRESS__)
#define SAN_PERCENT 20
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SAN_PERCENT 10
#elif __has_feature(address_sanitizer)
#define SAN_PERCENT 20
#endif
#endif
#ifndef SAN_PERCENT
#define SAN_PERCENT 100
#endif

struct bed bed = { .held = -1 };

/* The last texts handed out by bed_text(). */
static char *texts[256];
static unsigned ntexts;

uint64_t bed_number(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : fallback;
}

uint64_t bed_scale(uint64_t n)
{
	n = n * bed_number("BW_SCALE", SAN_PERCENT) / 100;
	return n ? n : 1;
}

double bed_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int bed_sanitized(void)
{
	return SAN_PERCENT != 100;
}

double bed_limit(void)
{
	return bed_sanitized() ? 300 : 60;
}

void bed_sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

void bed_waiting(double since, const char *what, const char *file, int line)
{
	if (bed_now() - since > bed_limit()) {
		bed_dump();
		ck_abort_msg("%s:%d: waited %.0f s in vain for: %s", file, line,
			     bed_limit(), what);
	}
	usleep(500);
}

const char *bed_text(const char *fmt, ...)
{
	va_list ap;
	int n;

	/* A test that starts hundreds of daemons: the oldest go. */
	char **place = &texts[ntexts++ % (sizeof(texts) / sizeof(texts[0]))];

	free(*place);
	va_start(ap, fmt);
	n = vasprintf(place, fmt, ap);
	va_end(ap);
	ck_assert_int_ge(n, 0);
	return *place;
}

const char *bed_point(const char *name, const char *action, const char *suffix)
{
	return bed_text("%s=%s:%s%s", name, action, bed.block, suffix);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

void bed_block(void)
{
	write_file(bed.block, "");
}

void bed_release(void)
{
	unlink(bed.block);
}

void bed_write_conf(const char *text)
{
	write_file(bed.conf, text);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

/* A memory file system if there is one: tests are about order, not disks. */
static void make_root(void)
{
	const char *dirs[] = { "/dev/shm", getenv("TMPDIR"), "/tmp" };
	unsigned i;

	for (i = 0; i < 3; i++) {
		if (!dirs[i] || strlen(dirs[i]) > 40)
			continue;
		snprintf(bed.root, sizeof(bed.root), "%s/bwtest-XXXXXX",
			 dirs[i]);
		if (mkdtemp(bed.root))
			return;
	}
	ck_abort_msg("no temporary directory: %s", strerror(errno));
}

static void make_path(char *out, const char *name)
{
	snprintf(out, BED_PATH, "%s/%s", bed.root, name);
}

void bed_open(void)
{
	memset(&bed, 0, sizeof(bed));
	bed.held = -1;
	bed.nice = getpriority(PRIO_PROCESS, 0);
	bed.nice_limit = -1;
	make_root();
	make_path(bed.sock, "sock");
	make_path(bed.control, "control");
	make_path(bed.state, "state");
	make_path(bed.files, "files");
	make_path(bed.temp, "files/.tmp");
	make_path(bed.conf, "bed.ini");
	make_path(bed.log, "stderr");
	make_path(bed.block, "block");
	chmod(bed.root, 0777);
	ck_assert_int_eq(mkdir(bed.files, 0777), 0);
	chmod(bed.files, 0777);
	bed_write_conf("");
}

void bed_close(void)
{
	int found;

	bed_release();
	sender_kill_all();
	found = daemon_reap();
	if (found)
		bed_dump();
	if (bed.held >= 0)
		close(bed.held);
	bed.held = -1;
	/* What a failed test may have left mounted; see bed_mount(). */
	umount2(bed.files, MNT_DETACH);
	if (bed.root[0] && !getenv("BW_KEEP"))
		nftw(bed.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ck_assert_msg(!found, "the daemon had found an error");
}

void bed_dump(void)
{
	static char tail[4096];
	FILE *log = fopen(bed.log, "r");
	size_t n;

	fprintf(stderr, "in %s", bed.root);
	if (bed.points)
		fprintf(stderr, " with BW_FAILPOINTS='%s'", bed.points);
	fprintf(stderr, ", the daemon said:\n");
	if (!log)
		return;
	if (fseek(log, -(long)sizeof(tail), SEEK_END))
		rewind(log);
	n = fread(tail, 1, sizeof(tail), log);
	fwrite(tail, 1, n, stderr);
	fprintf(stderr, "---\n");
	fclose(log);
}

int bed_mount(const char *dir, const char *size)
{
	static int own_mounts;

	if (!own_mounts)
		own_mounts = unshare(CLONE_NEWNS) == 0 &&
					     mount(NULL, "/", NULL,
						   MS_REC | MS_PRIVATE,
						   NULL) == 0 ?
				     1 :
				     -1;
	if (own_mounts < 0)
		return -EPERM;
	return mount("bwtest", dir, "tmpfs", 0, bed_text("size=%s", size)) ?
		       -errno :
		       0;
}

void bed_hold_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s", bed.sock);
	bed.held = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(bed.held, 0);
	ck_assert_int_eq(bind(bed.held, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	chmod(bed.sock, 0666);
}

int bed_queue_empty(void)
{
	char byte;

	return recv(bed.held, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

unsigned log_count_list(const char *const *wanted)
{
	static char line[8192];
	FILE *log = fopen(bed.log, "r");
	unsigned found = 0;
	unsigned i;

	if (!log)
		return 0;
	while (fgets(line, sizeof(line), log)) {
		for (i = 0; wanted[i] && strstr(line, wanted[i]); i++)
			;
		found += !wanted[i];
	}
	fclose(log);
	return found;
}

int bed_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	/* Forks of senders inherit what is not written out yet. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

TCase *bed_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, bed_open, bed_close);
	suite_add_tcase(suite, tcase);
	return tcase;
}

void bed_skip(const char *why)
{
	printf("skipped: %s\n", why);
}
