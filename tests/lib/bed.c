/* SPDX-License-Identifier: MIT */
/* The test bed: directory, texts, the held socket.  See bed.h. */
#define _GNU_SOURCE
#include "tests/lib/bed.h"

#include <errno.h>
#include <inttypes.h>
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
#include <unistd.h>

#include "tests/lib/lane_client.h"
#include "tests/lib/sender.h"
#include "tests/lib/store.h"
#include "tests/lib/threads.h"

struct bed bed = { .held = -1, .held_lanes = -1 };

/* The last texts handed out by bed_text(). */
static char *texts[BED_TEXTS];
static unsigned ntexts;

const char *bed_text(const char *fmt, ...)
{
	va_list ap;
	int n;

	/* A test may start hundreds of daemons: the oldest text is freed. */
	char **place = &texts[ntexts++ % BED_TEXTS];

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

void bed_block(void)
{
	file_touch(bed.block);
}

void bed_release(void)
{
	unlink(bed.block);
}

void bed_write_conf(const char *text)
{
	file_write(bed.conf, text, strlen(text));
}

static void make_path(char *out, const char *name)
{
	snprintf(out, BED_PATH, "%s/%s", bed.root, name);
}

void bed_open(void)
{
	memset(&bed, 0, sizeof(bed));
	bed.held = bed.held_lanes = -1;
	bed.nice = getpriority(PRIO_PROCESS, 0);
	bed.nice_limit = -1;
	dir_make(bed.root);
	suite_dump = bed_dump;
	make_path(bed.sock, "sock");
	make_path(bed.control, "control");
	make_path(bed.state, "state");
	make_path(bed.files, "files");
	make_path(bed.temp, "files.tmp");
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
	if (bed.held_lanes >= 0)
		close(bed.held_lanes);
	while (bed.also)
		close(bed.held_also[--bed.also]);
	bed.held = bed.held_lanes = -1;
	store_close();
	if (bed.root[0] && !getenv("BW_KEEP"))
		dir_remove(bed.root);
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

static int hold(int type, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	chmod(path, 0666);
	return fd;
}

void bed_hold_socket(void)
{
	bed.held = hold(SOCK_DGRAM, bed.sock);
}

void bed_hold_lanes(void)
{
	bed.held_lanes = hold(SOCK_SEQPACKET, lane_path());
	ck_assert_int_eq(listen(bed.held_lanes, SOMAXCONN), 0);
}

const char *bed_also(unsigned i)
{
	return bed_text("%s.also%u", bed.sock, i);
}

void bed_hold_also(unsigned sockets)
{
	ck_assert_uint_le(sockets, BED_ALSO);
	for (; bed.also < sockets; bed.also++)
		bed.held_also[bed.also] = hold(SOCK_DGRAM, bed_also(bed.also));
}

static bool is_empty(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

int bed_queue_empty(void)
{
	unsigned i;

	for (i = 0; i < bed.also; i++)
		if (!is_empty(bed.held_also[i]))
			return 0;
	return is_empty(bed.held);
}

/* What the daemon has said by now is in the log, or waits for a reader. */
static bool log_is_written(void)
{
	return !bed.pid || threads_sleep((int)bed.pid, "log");
}

unsigned log_count_list(const char *const *wanted)
{
	static char line[8192];
	unsigned found = 0;
	unsigned i;
	FILE *log;

	UNTIL(log_is_written());
	log = fopen(bed.log, "r");
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

/* DATE TIME warning: a message of N bytes is larger ..., or N messages ... */
static void read_too_large(const char *line, struct too_large *told)
{
	struct too_large one = { .count = 1 };
	const char *text = strstr(line, "warning: ");

	if (!text)
		return;
	text += strlen("warning: ");
	if (sscanf(text, "a message of %" SCNu64 " bytes", &one.bytes) == 1)
		one.largest = one.bytes;
	else if (sscanf(text,
			"%" SCNu64 " messages were larger than "
			"socket.max_message (%*u) and were dropped, since the "
			"last report: %" SCNu64
			" bytes, the largest of %" SCNu64,
			&one.count, &one.bytes, &one.largest) != 3)
		return;
	told->count += one.count;
	told->bytes += one.bytes;
	if (one.largest > told->largest)
		told->largest = one.largest;
}

void log_too_large(struct too_large *told)
{
	static char line[8192];
	FILE *log;

	memset(told, 0, sizeof(*told));
	UNTIL(log_is_written());
	log = fopen(bed.log, "r");
	while (log && fgets(line, sizeof(line), log))
		read_too_large(line, told);
	if (log)
		fclose(log);
}

TCase *bed_case(Suite *suite, const char *name)
{
	return suite_case(suite, name, bed_open, bed_close);
}
