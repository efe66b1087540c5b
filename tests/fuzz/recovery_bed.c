/* SPDX-License-Identifier: MIT */
/* See recovery_bed.h. */
#include "tests/fuzz/recovery_bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const bed_variants[][5] = {
	{ "buffer.workers=2", "buffer.size=3K", "buffer.queue_size=16",
	  "socket.max_message=5000", "files.framing=length" },
	{ "buffer.workers=1", "buffer.size=700", "buffer.queue_size=6",
	  "socket.max_message=300", "files.framing=newline" },
};
static const char *const other_sizes[5] = {
	"buffer.workers=3", "buffer.size=1K", "buffer.queue_size=7",
	"socket.max_message=2100", "files.framing=none"
};

/* --- settings ------------------------------------------------------------ */

static void on_problem(void *arg, const char *line)
{
	(void)arg;
	fuzz_fail(__FILE__, __LINE__, "%s", line);
}

struct config *bed_load(const struct bed *b, const char *const sizes[5],
			const char *files)
{
	char path[PATH_MAX + 16], state[PATH_MAX + 16];
	const char *options[7];
	struct config *cfg;

	snprintf(path, sizeof(path), "files.path=%s", files);
	snprintf(state, sizeof(state), "state.path=%s", b->state);
	memcpy(options, sizes, 5 * sizeof(*options));
	options[5] = path;
	options[6] = state;
	FUZZ_CHECK(!config_load(NULL, options, 7, on_problem, NULL, &cfg),
		   "no settings");
	return cfg;
}

struct config *bed_settings(const struct bed *b, bool sizes, bool files)
{
	return bed_load(
		b, sizes ? other_sizes : bed_variants[b->template->variant],
		files ? b->other : b->files);
}

/* --- files --------------------------------------------------------------- */

void bed_make_directory(const char *path)
{
	FUZZ_CHECK(!mkdir(path, 0700) || errno == EEXIST, "%s: %s", path,
		   strerror(errno));
}

void bed_empty(const char *path)
{
	char name[PATH_MAX];
	struct dirent *entry;
	DIR *d = opendir(path);

	while (d && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (unlink(name) && errno == EISDIR) {
			bed_empty(name);
			rmdir(name);
		}
	}
	if (d)
		closedir(d);
}

const char *bed_path(const char *dir, const char *name)
{
	static char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	FUZZ_CHECK(n < (int)sizeof(path), "a path is too long");
	return path;
}

/* The content, to be freed; NULL: no such file. */
static uint8_t *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	if (fd < 0)
		return NULL;
	FUZZ_CHECK(!fstat(fd, &st), "%s: %s", path, strerror(errno));
	data = malloc(st.st_size + 1);
	FUZZ_CHECK(data && read(fd, data, st.st_size) == st.st_size, "%s: %s",
		   path, strerror(errno));
	close(fd);
	*size = st.st_size;
	return data;
}

void bed_expect_file(const char *path, const void *data, size_t size)
{
	size_t there = 0;
	uint8_t *bytes = read_file(path, &there);

	FUZZ_CHECK(bytes && there == size && !memcmp(bytes, data, size),
		   "%s was changed", path);
	free(bytes);
}

/* --- messages ------------------------------------------------------------ */

uint32_t bed_message(unsigned n, uint32_t most, char *to)
{
	uint32_t len = 20 + n * 37 % 150;

	if (n % 3 == 1)
		len = RING_INLINE + 1 + n * 331 % 2500;
	if (len > most)
		len = most;
	memset(to, 'a' + n % 26, len);
	memcpy(to + len - 1, n % 3 ? "]" : "\n", 1);
	snprintf(to, 8, "[%05u:", n);
	to[7] = '.';
	return len;
}

void bed_receive(struct mmsghdr *msg, const void *data, uint32_t len)
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

bool bed_send(struct ring *r, const void *data, uint32_t len)
{
	struct ring_batch batch = { 0 };
	struct mmsghdr *msgs;

	if (!ring_arm(r, 1, &msgs))
		return false;
	bed_receive(msgs, data, len);
	ring_publish(r, 1, 1000 + ring_published(r), &batch);
	return true;
}

static void count_in(struct bed *b, const uint8_t *data, size_t size)
{
	size_t i;
	unsigned n;

	for (i = 0; i + 8 <= size; i++) {
		if (data[i] != '[' || memchr(data + i, 0, 7) ||
		    data[i + 6] != ':')
			continue;
		n = strtoul((const char *)data + i + 1, NULL, 10);
		FUZZ_CHECK(n < b->template->sent, "message %u was not sent", n);
		b->found[n]++;
	}
}

static void count_files(struct bed *b, const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	uint8_t *data;
	size_t size;

	while (d && (entry = readdir(d))) {
		if (entry->d_type != DT_REG)
			continue;
		data = read_file(bed_path(dir, entry->d_name), &size);
		FUZZ_CHECK(data, "%s vanished", entry->d_name);
		count_in(b, data, size);
		free(data);
	}
	if (d)
		closedir(d);
}

void bed_count(struct bed *b)
{
	memset(b->found, 0, sizeof(b->found));
	count_files(b, b->files);
	count_files(b, b->other);
}

/* --- one input ----------------------------------------------------------- */

void bed_begin(struct bed *b, uint64_t template)
{
	const struct template *t = &b->templates[template % b->count];
	struct config *cfg;

	b->template = t;
	bed_make_directory(b->files);
	bed_make_directory(b->other);
	cfg = bed_settings(b, false, false);
	snprintf(b->temp, sizeof(b->temp), "%s", cfg->temp);
	config_free(cfg);
	bed_make_directory(b->temp);
	fuzz_write(bed_path(fuzz_dir(), "bystander"), "bystander", 9);
	if (t->temp_name[0])
		fuzz_write(bed_path(b->temp, t->temp_name), t->file,
			   t->file_size);
	if (t->final_name[0])
		fuzz_write(bed_path(b->files, t->final_name), t->file,
			   t->file_size);
}

void bed_end(struct bed *b)
{
	(void)b;
	bed_expect_file(bed_path(fuzz_dir(), "bystander"), "bystander", 9);
	bed_empty(fuzz_dir());
}

void bed_take_temp_file(struct bed *b)
{
	if (b->template->temp_name[0])
		unlink(bed_path(b->temp, b->template->temp_name));
}

void bed_take_temp(struct bed *b)
{
	bed_empty(b->temp);
	rmdir(b->temp);
}

void bed_take_name(struct bed *b)
{
	if (b->template->temp_name[0])
		fuzz_write(bed_path(b->files, b->template->temp_name), "taken",
			   5);
}

/* --- names --------------------------------------------------------------- */

void bed_note_names(struct bed *b, const uint8_t *region, size_t size)
{
	struct arena_region *a;
	uint64_t i, n;

	b->notes = 0;
	for (i = 0; (a = bed_arena_at((uint8_t *)region, size, i)); i++)
		for (n = 0; n < 2; n++)
			snprintf(b->noted[b->notes++], ARENA_NAME, "%.255s",
				 a->cell[n].name);
}

/* <worker>_<daemon>_<nanoseconds>.log, or a name of a record */
static bool may_be_final(const struct bed *b, const char *name)
{
	unsigned worker, i;
	unsigned long long ns;
	int pid, end = 0;

	if (sscanf(name, "%u_%d_%llu.log%n", &worker, &pid, &ns, &end) == 3 &&
	    end && !name[end])
		return true;
	for (i = 0; i < b->notes; i++)
		if (!strcmp(name, b->noted[i]))
			return name[0] != '.';
	return false;
}

static unsigned check_final_names(struct bed *b, const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	unsigned n = 0;

	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (entry->d_type == DT_REG && may_be_final(b, name))
			n++;
		else
			FUZZ_CHECK(entry->d_type == DT_DIR &&
					   (!strcmp(name, ".") ||
					    !strcmp(name, "..") ||
					    !strcmp(name, ".tmp")),
				   "%s is in %s", name, dir);
	}
	if (d)
		closedir(d);
	return n;
}

unsigned bed_check_names(struct bed *b)
{
	static const char *const known[] = {
		".",	     "..",	  "files", "files.tmp", "other",
		"other.tmp", "bystander", "state", "state.lock"
	};
	const size_t names = sizeof(known) / sizeof(known[0]);
	struct dirent *entry;
	DIR *d = opendir(fuzz_dir());
	size_t i;

	FUZZ_CHECK(d, "%s: %s", fuzz_dir(), strerror(errno));
	while ((entry = readdir(d))) {
		for (i = 0; i < names; i++)
			if (!strcmp(entry->d_name, known[i]))
				break;
		FUZZ_CHECK(i < names ||
				   !strncmp(entry->d_name, "state.bad-", 10),
			   "%s is in the directory", entry->d_name);
	}
	closedir(d);
	return check_final_names(b, b->files) + check_final_names(b, b->other);
}
