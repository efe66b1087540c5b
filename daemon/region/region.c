/* SPDX-License-Identifier: MIT */
/* See state.h. */
#include "daemon/region/region.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/path.h"
#include "daemon/base/failpoint.h"
#include "daemon/region/region_header.h"
#include "daemon/region/ring_check.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

int region_lock(const char *path, struct failure *error)
{
	char lock[PATH_MAX], owner[32] = "";
	ssize_t n;
	int fd;

	path_make_parent(path);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failure_set(
			error, -errno,
			"state.path: cannot open the lock file %s: %s; "
			"the daemon's user needs a directory there that "
			"it can write to",
			lock, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		n = pread(fd, owner, sizeof(owner) - 1, 0);
		owner[n > 0 ? n : 0] = 0;
		owner[strcspn(owner, "\n")] = 0;
		close(fd);
		return failure_set(
			error, -EBUSY,
			"state.path: %s is in use by process %s; stop it "
			"first, or give this one another state.path",
			path, owner[0] ? owner : "unknown");
	}
	n = snprintf(owner, sizeof(owner), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, owner, n, 0) != n) {
		int err = errno ? -errno : -EIO;

		close(fd);
		return failure_set(
			error, err,
			"state.path: cannot write the lock file %s: %s", lock,
			strerror(-err));
	}
	return fd;
}

/* Makes the views of the parts that the mapped header describes. */
static int open_parts(struct region *s, enum config_framing framing)
{
	struct region_header *h = s->header;
	uint8_t *at = (uint8_t *)h + REGION_HEADER_BYTES;
	uint64_t i;
	int err;

	s->arenas = aligned_alloc(CACHE_LINE,
				  h->workers * sizeof(struct arena));
	if (!s->arenas)
		return -ENOMEM;
	err = ring_open(&s->ring, &h->ring, at);
	if (err)
		return err;
	at += ring_bytes(&h->ring);
	for (i = 0; i < h->workers; i++, at += h->arena_bytes)
		arena_open(&s->arenas[i], at, h->size, h->ring.max_message,
			   framing);
	return 0;
}

static int map(struct region *s, int fd, size_t bytes)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	s->header = mem;
	s->bytes = bytes;
	return 0;
}

/*
 * All pages present now: no page fault on the way of a message, and none
 * inside recvmmsg(2), where a fatal signal would turn it into a lost
 * datagram.  mlock(2) keeps them so where the limit allows it.
 */
static int populate(struct region *s)
{
	_Atomic uint8_t *p = (_Atomic uint8_t *)s->header;
	size_t i;

	if (madvise(s->header, s->bytes, MADV_POPULATE_WRITE)) {
		if (errno != EINVAL)
			return -errno;
		for (i = 0; i < s->bytes; i += 4096)
			atomic_fetch_or(&p[i], 0);
	}
	(void)mlock(s->header, s->bytes);
	return 0;
}

/* A file of the full size under a name of its own: 0, fd and `made`. */
static int make_file(const struct config *cfg, size_t bytes, int *out,
		     char made[PATH_MAX], struct failure *error)
{
	int fd, err;

	snprintf(made, PATH_MAX, "%s.new", cfg->state_path);
	unlink(made);
	fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failure_set(error, -errno,
				   "state.path: cannot create %s: %s", made,
				   strerror(errno));
	do {
		err = posix_fallocate(fd, 0, bytes);
	} while (err == EINTR);
	if (err) {
		close(fd);
		unlink(made);
		return failure_set(
			error, -err,
			"state.path: cannot allocate %zu bytes for %s: "
			"%s; make its file system larger, or lower "
			"buffer.size, workers, queue_size or "
			"socket.max_message",
			bytes, cfg->state_path, strerror(err));
	}
	*out = fd;
	return 0;
}

static void format(struct region *s, const struct region_header *h)
{
	uint64_t i;

	ring_format(&s->ring, h->ring.slots);
	for (i = 0; i < h->workers; i++)
		arena_format(&s->arenas[i]);
	atomic_store(&s->header->clean, 1);
}

int region_create(struct region *s, const struct config *cfg,
		  struct failure *error)
{
	struct region_header *h;
	char made[PATH_MAX] = "";
	int fd = -1, err;

	memset(s, 0, sizeof(*s));
	s->anonymous = !cfg->state_path[0];
	h = malloc(sizeof(*h));
	if (!h)
		return failure_set(error, -ENOMEM, "out of memory");
	region_header_describe(h, cfg);
	if (!s->anonymous) {
		err = make_file(cfg, h->total_bytes, &fd, made, error);
		if (err)
			goto out;
	}
	err = map(s, fd, h->total_bytes);
	if (fd >= 0)
		close(fd);
	if (!err)
		err = populate(s);
	if (err) {
		failure_set(error, err,
			    "state.path: cannot map %" PRIu64
			    " bytes: %s; lower "
			    "buffer.size, workers or queue_size",
			    h->total_bytes, strerror(-err));
		goto out;
	}
	memcpy(s->header, h, sizeof(*h));
	err = open_parts(s, cfg->files_framing);
	if (err) {
		failure_set(error, err, "out of memory");
		goto out;
	}
	format(s, h);
	(void)FAILPOINT("region.formatted");
	if (!s->anonymous && rename(made, cfg->state_path)) {
		err = failure_set(error, -errno,
				  "state.path: cannot rename %s to %s: %s",
				  made, cfg->state_path, strerror(errno));
		goto out;
	}
	(void)FAILPOINT("region.created");
out:
	if (err)
		region_close(s);
	if (err && made[0])
		unlink(made);
	free(h);
	return err;
}

static int check_parts(struct region *s, struct failure *error)
{
	const struct arena_record *rec;
	const char *why;
	uint64_t i;

	if (ring_check(&s->ring.layout, &why))
		return failure_set(error, -EBADMSG, "%s", why);
	for (i = 0; i < s->header->workers; i++) {
		if (arena_load(&s->arenas[i], &why))
			return failure_set(error, -EBADMSG, "%s", why);
		rec = &s->arenas[i].now;
		if (rec->end > ring_head(&s->ring.layout) ||
		    rec->end - rec->begin > s->header->ring.slots)
			return failure_set(
				error, -EBADMSG,
				"an arena's tickets are not the ring's");
	}
	return 0;
}

/*
 * Reads the file's own description before anything is believed, allocated
 * or mapped because of its size.  0 and *bytes.
 */
static int check_file(int fd, const char *path, size_t *bytes,
		      struct failure *error)
{
	struct region_header *h;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return failure_set(error, -errno, "state.path: %s: %s", path,
				   strerror(errno));
	if (!S_ISREG(st.st_mode))
		return failure_set(error, -EINVAL,
				   "state.path: %s is not a regular file",
				   path);
	/* What it says is done to files by their names. */
	if (st.st_uid != geteuid() || st.st_nlink != 1)
		return failure_set(error, -EPERM,
				   "state.path: %s belongs to user %u or has "
				   "another name, too; a region must be the "
				   "daemon's own: give it to user %u, or name "
				   "another path",
				   path, (unsigned)st.st_uid,
				   (unsigned)geteuid());
	if (st.st_size < REGION_HEADER_BYTES)
		return failure_set(error, -EBADMSG, "it is cut short");
	h = malloc(sizeof(*h));
	if (!h)
		return failure_set(error, -ENOMEM, "out of memory");
	if (pread(fd, h, sizeof(*h), 0) != sizeof(*h))
		err = failure_set(error, -EIO, "state.path: cannot read %s",
				  path);
	else
		err = region_header_check(h, st.st_size, error);
	free(h);
	*bytes = st.st_size;
	return err;
}

static int map_old(struct region *s, int fd, const char *path, size_t bytes,
		   struct failure *error)
{
	/* A file with holes would be a SIGBUS on a full tmpfs. */
	int err = -posix_fallocate(fd, 0, bytes);

	if (!err)
		err = map(s, fd, bytes);
	if (err)
		failure_set(error, err, "state.path: cannot map %s: %s", path,
			    strerror(-err));
	return err;
}

int region_open_old(struct region *s, const char *path,
		    enum config_framing framing, struct failure *error)
{
	size_t bytes = 0;
	int fd, err;

	memset(s, 0, sizeof(*s));
	/* non-blocking: a pipe of that name is no reason to hang */
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return failure_set(error, -errno,
				   "state.path: cannot open %s: %s", path,
				   strerror(errno));
	err = check_file(fd, path, &bytes, error);
	if (!err)
		err = map_old(s, fd, path, bytes, error);
	close(fd);
	if (!err)
		err = region_header_check_boot(s->header, error);
	if (!err && (err = open_parts(s, framing)))
		failure_set(error, err, "out of memory");
	if (!err)
		err = check_parts(s, error);
	if (err)
		region_close(s);
	return err;
}

void region_adopt(struct region *s)
{
	uint64_t i;

	(void)populate(s);
	for (i = 0; i < s->header->workers; i++)
		arena_restart(&s->arenas[i]);
	ring_adopt(&s->ring);
	(void)FAILPOINT("region.adopted");
}

int region_set_aside(const char *path, char *aside, size_t n)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(aside, n, "%s.bad-%lld%09ld", path, (long long)ts.tv_sec,
		 ts.tv_nsec);
	return rename(path, aside) ? -errno : 0;
}

void region_set_clean(struct region *s, int clean)
{
	atomic_store(&s->header->clean, clean);
}

void region_close(struct region *s)
{
	ring_close(&s->ring);
	free(s->arenas);
	s->arenas = NULL;
	if (s->header)
		munmap(s->header, s->bytes);
	s->header = NULL;
}
