/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the daemon's core share: a directory, settings, messages
 * whose bytes can be told from their number, a ring that receives them
 * without a socket, and processes that die at a point.
 *
 * The rules of BW_FAILPOINTS are read once in a process, when it passes its first
 * point.  So a test that wants points sets them before anything else, and one
 * that wants several lives gives each a process of its own.
 */
#ifndef BUFWRITER_TESTS_CORE_BED_H
#define BUFWRITER_TESTS_CORE_BED_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/config.h"
#include "daemon/region/ring.h"

/* Seconds after which a wait is a hang. */
#define CORE_HANG 60

/* Less work where each access is checked. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CORE_SLOW 10
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CORE_SLOW 10
#endif
#endif
#ifndef CORE_SLOW
#define CORE_SLOW 1
#endif

/* --- random -------------------------------------------------------------- */

static uint64_t core_seed = 1;

/* splitmix64 */
static inline uint64_t core_mix(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. n - 1 */
static inline uint64_t core_chance(uint64_t n)
{
	core_seed += UINT64_C(0x9e3779b97f4a7c15);
	return core_mix(core_seed) % n;
}

/* --- a directory --------------------------------------------------------- */

static char core_dir[128];

static inline void core_open(void)
{
	const char *tmp = getenv("TMPDIR");

	/* thousands of small files: memory, where there is some */
	if (!tmp)
		tmp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	snprintf(core_dir, sizeof(core_dir), "%s/bw-core-XXXXXX", tmp);
	ck_assert_ptr_nonnull(mkdtemp(core_dir));
	/* of another user too, where a test gives up its rights */
	ck_assert_int_eq(chmod(core_dir, 0755), 0);
}

static inline int core_remove(const char *path, const struct stat *st, int type,
			      struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type != FTW_DP)
		return unlink(path);
	if (!rmdir(path) || errno != EBUSY)
		return 0;
	/* mounted by the test, in a name space of its own */
	umount2(path, MNT_DETACH);
	return rmdir(path);
}

static inline void core_clear(const char *path)
{
	nftw(path, core_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void core_close(void)
{
	core_clear(core_dir);
}

/* A path in it; valid until 16 more were asked for. */
static inline const char *core_path(const char *name)
{
	static char paths[16][PATH_MAX];
	static unsigned at;
	char *path = paths[at++ % 16];

	snprintf(path, PATH_MAX, "%s/%s", core_dir, name);
	return path;
}

static inline void core_mkdir(const char *name)
{
	ck_assert_int_eq(mkdir(core_path(name), 0755), 0);
}

static inline void core_touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static inline bool core_exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

/* The whole file with a NUL behind it, to be freed; *len without it. */
static inline char *core_read(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(fstat(fd, &st), 0);
	data = malloc(st.st_size + 1);
	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq(read(fd, data, st.st_size), st.st_size);
	data[st.st_size] = 0;
	close(fd);
	if (len)
		*len = st.st_size;
	return data;
}

static inline void core_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), len);
	close(fd);
}

struct core_files {
	unsigned n;
	char **name; /* in the order in which they were made */
};

/* Names are <prefix><worker>_<pid>_<nanoseconds><suffix>: the last number. */
static inline int core_by_time(const void *a, const void *b)
{
	const char *x = strrchr(*(char *const *)a, '_');
	const char *y = strrchr(*(char *const *)b, '_');

	return x && y ? strcmp(x, y) : (x != NULL) - (y != NULL);
}

/* All names in a directory but `.tmp`; dot files count, as nothing may. */
static inline struct core_files core_files(const char *dir)
{
	struct core_files files = { 0 };
	struct dirent *entry;
	DIR *d = opendir(dir);

	ck_assert_msg(d != NULL, "%s: %s", dir, strerror(errno));
	while ((entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, "..") ||
		    !strcmp(entry->d_name, ".tmp"))
			continue;
		files.name = realloc(files.name,
				     (files.n + 1) * sizeof(*files.name));
		ck_assert_ptr_nonnull(files.name);
		files.name[files.n++] = strdup(entry->d_name);
	}
	closedir(d);
	if (files.n)
		qsort(files.name, files.n, sizeof(*files.name), core_by_time);
	return files;
}

static inline void core_files_free(struct core_files *files)
{
	while (files->n)
		free(files->name[--files->n]);
	free(files->name);
	files->name = NULL;
}

static inline unsigned core_count(const char *dir)
{
	struct core_files files = core_files(dir);
	unsigned n = files.n;

	core_files_free(&files);
	return n;
}

/* --- settings ------------------------------------------------------------ */

static inline void core_report(void *arg, const char *line)
{
	(void)arg;
	ck_abort_msg("%s", line);
}

static inline bool core_sets(const char *const *options, const char *key)
{
	size_t len = strlen(key);

	for (; *options; options++)
		if (!strncmp(*options, key, len) && (*options)[len] == '=')
			return true;
	return false;
}

/* Settings with all paths in the directory, to be freed. */
static inline struct config *core_settings(const char *const *options)
{
	static const char *const keys[][2] = {
		{ "files.path", "files" },
		{ "state.path", "state" },
		{ "socket.path", "sock" },
		{ "control.path", "control" },
	};
	static char texts[4][PATH_MAX + 32];
	const char *all[32];
	struct config *cfg;
	unsigned i, n = 0;

	for (i = 0; i < 4; i++) {
		if (core_sets(options, keys[i][0]))
			continue;
		snprintf(texts[i], sizeof(texts[i]), "%s=%s/%s", keys[i][0],
			 core_dir, keys[i][1]);
		all[n++] = texts[i];
	}
	while (*options)
		all[n++] = *options++;
	ck_assert_int_eq(config_load(NULL, all, n, core_report, NULL, &cfg), 0);
	return cfg;
}

#define CORE_SETTINGS(...) \
	core_settings((const char *const[]){ __VA_ARGS__, NULL })

/* --- messages ------------------------------------------------------------ */

/* Number and length make the bytes. */
static inline void core_message(uint8_t *to, uint32_t len, uint64_t number)
{
	uint64_t word = 0;
	uint32_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			word = core_mix(number * 31 + i);
		to[i] = word >> i % 8 * 8;
	}
}

static inline bool core_is_message(const uint8_t *data, uint32_t len,
				   uint64_t number)
{
	uint64_t word = 0;
	uint32_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			word = core_mix(number * 31 + i);
		if (data[i] != (uint8_t)(word >> i % 8 * 8))
			return false;
	}
	return true;
}

/* --- a ring -------------------------------------------------------------- */

/* Zeroed, page aligned memory that a child shares. */
static inline void *core_map(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(mem, MAP_FAILED);
	return mem;
}

struct core_ring {
	struct ring ring;
	void *mem;
	size_t bytes;
};

static inline void core_ring_open(struct core_ring *c, uint64_t slots,
				  uint64_t max_message, uint64_t first)
{
	struct ring_geometry geo = ring_geometry(slots, max_message);

	c->bytes = ring_bytes(&geo);
	ck_assert_uint_gt(c->bytes, 0);
	c->mem = core_map(c->bytes);
	ck_assert_int_eq(ring_open(&c->ring, &geo, c->mem), 0);
	ring_format(&c->ring, first ? first : slots);
}

static inline void core_ring_close(struct core_ring *c)
{
	ring_close(&c->ring);
	munmap(c->mem, c->bytes);
}

/* Leaves a datagram where recvmmsg(2) with MSG_TRUNC would leave it. */
static inline void core_receive(struct mmsghdr *msg, const void *data,
				uint32_t len)
{
	const uint8_t *from = data;
	uint32_t left = len, part;
	size_t i;

	for (i = 0; i < msg->msg_hdr.msg_iovlen && left; i++) {
		const struct iovec *iov = &msg->msg_hdr.msg_iov[i];

		part = left < iov->iov_len ? left : iov->iov_len;
		memcpy(iov->iov_base, from, part);
		from += part;
		left -= part;
	}
	msg->msg_len = len;
}

/* One datagram into the ring, received at `now`; false: it is full. */
static inline bool core_put_at(struct ring *r, const void *data, uint32_t len,
			       uint64_t now)
{
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;

	if (!ring_arm(r, 1, &msgs))
		return false;
	core_receive(msgs, data, len);
	ring_publish(r, 1, now, &batch);
	ck_assert_uint_eq(batch.bytes, len);
	return true;
}

/* The same, at a time that is its ticket and 1000. */
static inline bool core_put(struct ring *r, const void *data, uint32_t len)
{
	return core_put_at(r, data, len, 1000 + ring_published(r));
}

/* Copies a claimed message; its length. */
static inline uint32_t core_copy(const struct ring *r, uint64_t ticket,
				 uint8_t *to)
{
	struct ring_message m;

	ring_message(r, ticket, &m);
	ck_assert_uint_eq(m.part_len[0] + m.part_len[1], m.len);
	memcpy(to, m.part[0], m.part_len[0]);
	if (m.part_len[1])
		memcpy(to + m.part_len[0], m.part[1], m.part_len[1]);
	return m.len;
}

/* --- processes ----------------------------------------------------------- */

static inline void core_points(const char *points)
{
	if (points)
		setenv("BW_FAILPOINTS", points, 1);
	else
		unsetenv("BW_FAILPOINTS");
}

/* Runs fn in a process of its own with these points; its wait status. */
static inline int core_child(const char *points, int (*fn)(void *), void *arg)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		core_points(points);
		_exit(fn(arg));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static inline bool core_was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Open descriptors of this process. */
static inline unsigned core_descriptors(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* --- the suite ----------------------------------------------------------- */

static inline int core_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	/* A point's rules are for one process: see above. */
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static inline TCase *core_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, core_open, core_close);
	tcase_set_timeout(tc, CORE_HANG);
	suite_add_tcase(suite, tc);
	return tc;
}

#endif
