/* SPDX-License-Identifier: MIT */
/* See scan.h. */
#include "client/ship/scan.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the oldest files: a heap with the youngest of them on top ------------ */

static bool is_younger(const struct ship_file *a, const struct ship_file *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns > b->time_ns;
	return strcmp(a->name, b->name) > 0;
}

static void swap(struct ship_file **a, struct ship_file **b)
{
	/* The array has room for a file at least. */
	struct ship_file *c = *a; /* NOLINT(clang-analyzer-core.*) */

	*a = *b;
	*b = c;
}

/* The file at `i` moves down to its place among the first n. */
static void sink(struct ship_file **heap, size_t n, size_t i)
{
	size_t child;

	for (; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && is_younger(heap[child + 1], heap[child]))
			child++;
		if (!is_younger(heap[child], heap[i]))
			return;
		swap(&heap[child], &heap[i]);
	}
}

static void rise(struct ship_file **heap, size_t i)
{
	for (; i && is_younger(heap[i], heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&heap[i], &heap[(i - 1) / 2]);
}

static void sort(struct ship_file **heap, size_t n)
{
	while (n > 1) {
		swap(&heap[0], &heap[--n]);
		sink(heap, n, 0);
	}
}

static int keep(struct scan *scan, const char *name, uint64_t time_ns,
		uint64_t bytes)
{
	size_t len = strlen(name) + 1;
	struct ship_file *file = calloc(1, sizeof(*file) + len);

	if (!file)
		return -ENOMEM;
	file->time_ns = time_ns;
	file->bytes = bytes;
	memcpy(file->name, name, len);
	if (scan->n < scan->room) {
		scan->files[scan->n] = file;
		rise(scan->files, scan->n++);
		return 0;
	}
	scan->is_more = true;
	if (scan->room && is_younger(scan->files[0], file)) {
		swap(&scan->files[0], &file);
		sink(scan->files, scan->n, 0);
	}
	free(file);
	return 0;
}

/* --- one name ------------------------------------------------------------ */

static void leave(struct scan *scan, const char *name, enum odd why)
{
	scan->odd[why]++;
	if (scan->odd_n == SCAN_ODD)
		return;
	scan->odd_names[scan->odd_n].name = strdup(name);
	if (scan->odd_names[scan->odd_n].name)
		scan->odd_names[scan->odd_n++].why = why;
}

/* ACLs make this more than a look at the mode. */
static bool is_readable(const struct scan *scan, const char *name,
			const struct stat *st)
{
	if (st->st_uid == scan->user && (st->st_mode & S_IRUSR))
		return true;
	return !faccessat(scan->dir, name, R_OK, AT_EACCESS);
}

static int take(struct scan *scan, const char *name)
{
	uint64_t time_ns = backlog_time(name);
	struct stat st;

	/* It may be gone since readdir(3). */
	if (fstatat(scan->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (S_ISDIR(st.st_mode))
		leave(scan, name, ODD_DIRECTORY);
	else if (S_ISLNK(st.st_mode))
		leave(scan, name, ODD_LINK);
	else if (!S_ISREG(st.st_mode))
		leave(scan, name, ODD_SPECIAL);
	else if (!time_ns)
		leave(scan, name, ODD_FOREIGN);
	else if (strncmp(name, scan->prefix, strlen(scan->prefix)))
		leave(scan, name, ODD_PREFIX);
	else if (!is_readable(scan, name, &st))
		leave(scan, name, ODD_UNREADABLE);
	else {
		backlog_add(&scan->total, time_ns, (uint64_t)st.st_size);
		if (!names_has(scan->known, name))
			return keep(scan, name, time_ns, (uint64_t)st.st_size);
	}
	return 0;
}

/* --- a quick scan -------------------------------------------------------- */

/* A name as of a file; what it is shows later. */
static int take_name(struct scan *scan, const struct dirent *entry)
{
	uint64_t time_ns = backlog_time(entry->d_name);

	if ((entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) ||
	    !time_ns ||
	    strncmp(entry->d_name, scan->prefix, strlen(scan->prefix)) ||
	    names_has(scan->known, entry->d_name))
		return 0;
	backlog_add(&scan->total, time_ns, 0);
	return keep(scan, entry->d_name, time_ns, 0);
}

/* Looks at the files that were kept; those that cannot be shipped go. */
static void look_at_kept(struct scan *scan)
{
	size_t i, n = 0;
	uint64_t bytes = 0;
	struct stat st;

	for (i = 0; i < scan->n; i++) {
		struct ship_file *file = scan->files[i];

		assert(file); /* the first n are there */
		if (fstatat(scan->dir, file->name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) ||
		    !is_readable(scan, file->name, &st)) {
			free(file);
			scan->is_more = true; /* the next scan tells of it */
			continue;
		}
		file->bytes = (uint64_t)st.st_size;
		bytes += file->bytes;
		scan->files[n++] = file;
	}
	scan->n = n;
	if (n)
		scan->total.bytes = (uint64_t)((double)bytes / (double)n *
					       (double)scan->total.files);
}

/* --- the directory ------------------------------------------------------- */

/* A stream of its own, so that the descriptor stays open. */
static DIR *open_dir(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

static int read_all(struct scan *scan, DIR *dir)
{
	struct dirent *entry;
	int err = 0;

	while (!err) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		/* A flag that nothing else depends on. */
		if (atomic_load_explicit(&scan->stop, memory_order_relaxed))
			return -ECANCELED;
		/* Dots mark unfinished files. */
		if (entry->d_name[0] != '.')
			err = scan->is_quick ? take_name(scan, entry) :
					       take(scan, entry->d_name);
	}
	return err;
}

void scan_run(struct scan *scan)
{
	DIR *dir = open_dir(scan->dir);

	if (!dir) {
		scan->err = -errno;
		return;
	}
	scan->user = geteuid();
	scan->files = calloc(scan->room + 1, sizeof(*scan->files));
	scan->err = scan->files ? read_all(scan, dir) : -ENOMEM;
	closedir(dir);
	sort(scan->files, scan->n);
	if (!scan->err && scan->is_quick)
		look_at_kept(scan);
}

void scan_clear(struct scan *scan)
{
	size_t i;

	for (i = 0; i < scan->n; i++)
		free(scan->files[i]);
	free(scan->files);
	for (i = 0; i < scan->odd_n; i++)
		free(scan->odd_names[i].name);
	*scan = (struct scan){ .dir = scan->dir,
			       .prefix = scan->prefix,
			       .known = scan->known,
			       .room = scan->room };
}
