/* SPDX-License-Identifier: MIT */
/* See core.h. */
#define _GNU_SOURCE
#include "tests/lib/core.h"

#include <dirent.h>
#include <sys/prctl.h>

/* --- a directory --------------------------------------------------------- */

char core_dir[DIR_PATH];

void core_open(void)
{
	dir_make(core_dir);
}

void core_close(void)
{
	dir_remove(core_dir);
}

TCase *core_case(Suite *suite, const char *name)
{
	return suite_case(suite, name, core_open, core_close);
}

const char *core_path(const char *name)
{
	static char paths[16][PATH_MAX];
	static unsigned at;
	char *path = paths[at++ % 16];

	snprintf(path, PATH_MAX, "%s/%s", core_dir, name);
	return path;
}

void core_mkdir(const char *name)
{
	ck_assert_int_eq(mkdir(core_path(name), 0755), 0);
}

/* Names are <prefix><worker>_<daemon>_<nanoseconds><suffix>: the last number. */
static int by_time(const void *a, const void *b)
{
	const char *x = strrchr(*(char *const *)a, '_');
	const char *y = strrchr(*(char *const *)b, '_');

	return x && y ? strcmp(x, y) : (x != NULL) - (y != NULL);
}

struct core_files core_files(const char *dir)
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
		qsort(files.name, files.n, sizeof(*files.name), by_time);
	return files;
}

void core_files_free(struct core_files *files)
{
	while (files->n)
		free(files->name[--files->n]);
	free(files->name);
	files->name = NULL;
}

unsigned core_count(const char *dir)
{
	struct core_files files = core_files(dir);
	unsigned n = files.n;

	core_files_free(&files);
	return n;
}

/* --- settings ------------------------------------------------------------ */

static void report(void *arg, const char *line)
{
	(void)arg;
	ck_abort_msg("%s", line);
}

static bool sets(const char *const *options, const char *key)
{
	size_t len = strlen(key);

	for (; *options; options++)
		if (!strncmp(*options, key, len) && (*options)[len] == '=')
			return true;
	return false;
}

struct config *core_settings(const char *const *options)
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
		if (sets(options, keys[i][0]))
			continue;
		snprintf(texts[i], sizeof(texts[i]), "%s=%s/%s", keys[i][0],
			 core_dir, keys[i][1]);
		all[n++] = texts[i];
	}
	while (*options)
		all[n++] = *options++;
	ck_assert_int_eq(config_load(NULL, all, n, report, NULL, &cfg), 0);
	return cfg;
}

/* --- a ring -------------------------------------------------------------- */

void *core_map(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(mem, MAP_FAILED);
	return mem;
}

void core_ring_open(struct core_ring *c, uint64_t slots, uint64_t max_message,
		    uint64_t first)
{
	struct ring_geometry geo = ring_geometry(slots, max_message);

	c->bytes = ring_bytes(&geo);
	ck_assert_uint_gt(c->bytes, 0);
	c->mem = core_map(c->bytes);
	ck_assert_int_eq(ring_open(&c->ring, &geo, c->mem), 0);
	ring_format(&c->ring, first ? first : slots);
}

void core_ring_close(struct core_ring *c)
{
	ring_close(&c->ring);
	munmap(c->mem, c->bytes);
}

void core_receive(struct mmsghdr *msg, const void *data, uint32_t len)
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

bool core_put_at(struct ring *r, const void *data, uint32_t len, uint64_t now)
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

bool core_put(struct ring *r, const void *data, uint32_t len)
{
	return core_put_at(r, data, len, 1000 + ring_published(r));
}

uint32_t core_copy(const struct ring *r, uint64_t ticket, uint8_t *to)
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

void core_points(const char *points)
{
	if (points)
		setenv("BW_FAILPOINTS", points, 1);
	else
		unsetenv("BW_FAILPOINTS");
}

int core_child(const char *points, int (*fn)(void *), void *arg)
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

bool core_was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}
