/* SPDX-License-Identifier: MIT */
/* See region.h. */
#include "daemon/region/region.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/failpoint.h"
#include "daemon/base/systemd.h"
#include "daemon/region/lane_keep.h"
#include "daemon/region/region_file.h"
#include "daemon/region/region_v1.h"
#include "daemon/region/ring_check.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

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
	s->lanes.entry = (struct lane_entry *)at;
	s->lanes.entries = h->lanes;
	return 0;
}

static void set_strip(struct region *s, enum config_strip strip)
{
	uint64_t i;

	for (i = 0; i < s->header->workers; i++)
		s->arenas[i].strip = strip;
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
 * Makes all pages present now (I3): there is no page fault on the way of a
 * message, and none inside recvmmsg(2), where a fatal signal would turn it
 * into a lost datagram (I5).  mlock(2) keeps the pages present if the limit
 * allows it.
 */
static int populate(struct region *s)
{
	_Atomic uint8_t *p = (_Atomic uint8_t *)s->header;
	size_t i;

	if (madvise(s->header, s->bytes, MADV_POPULATE_WRITE)) {
		if (errno != EINVAL)
			return -errno;
		for (i = 0; i < s->bytes; i += 4096)
			/* relaxed: no other thread uses it yet */
			atomic_fetch_or_explicit(&p[i], 0,
						 memory_order_relaxed);
	}
	(void)mlock(s->header, s->bytes);
	return 0;
}

static void format(struct region *s, const struct region_header *h)
{
	uint64_t i;

	ring_format(&s->ring, h->ring.slots);
	for (i = 0; i < h->workers; i++)
		arena_format(&s->arenas[i]);
	region_set_clean(s, true);
}

/* A new mapping of a file, or of anonymous memory if fd is -1. */
static int map_new(struct region *s, int fd, size_t bytes,
		   struct failure *error)
{
	int err = map(s, fd, bytes);

	if (!err)
		err = populate(s);
	if (err)
		failure_set(error, err,
			    "state.path: cannot map %zu bytes: %s; lower "
			    "buffer.size, workers or queue_size",
			    bytes, strerror(-err));
	return err;
}

int region_create(struct region *s, const struct config *cfg,
		  struct failure *error)
{
	const struct lane_table none = { 0 };

	return region_create_with(s, cfg, &none, error);
}

/*
 * Entries that the table must have: for the lanes of the region before, and for
 * those that systemd has stored, and for copies, of which that region may know
 * nothing.
 */
static uint64_t least_lanes(const struct config *cfg,
			    const struct lane_table *former)
{
	uint64_t used = lane_table_used(former);
	uint64_t stored = systemd_stored_count();
	uint64_t least = used > stored ? used : stored;

	if (cfg->state_path[0])
		least += lane_keep_unknown(cfg->state_path, former);
	return least < LANE_TABLE_MOST ? least : LANE_TABLE_MOST;
}

bool region_fits(const struct region *s, const struct config *cfg)
{
	return region_header_fits(s->header, cfg) &&
	       s->lanes.entries >= least_lanes(cfg, &s->lanes);
}

int region_create_with(struct region *s, const struct config *cfg,
		       const struct lane_table *lanes, struct failure *error)
{
	struct region_header *h;
	char made[PATH_MAX] = "";
	int fd = -1, err = 0;

	memset(s, 0, sizeof(*s));
	s->anonymous = !cfg->state_path[0];
	h = malloc(sizeof(*h));
	if (!h)
		return failure_set(error, -ENOMEM, "out of memory");
	region_header_describe(h, cfg, least_lanes(cfg, lanes));
	if (!s->anonymous) {
		fd = region_file_make(cfg->state_path, h->total_bytes, made,
				      error);
		err = fd < 0 ? fd : 0;
	}
	if (!err)
		err = map_new(s, fd, h->total_bytes, error);
	if (err)
		goto out;
	memcpy(s->header, h, sizeof(*h));
	err = open_parts(s, cfg->files_framing);
	if (err) {
		failure_set(error, err, "out of memory");
		goto out;
	}
	set_strip(s, cfg->socket_strip);
	format(s, h);
	lane_table_carry(&s->lanes, lanes);
	(void)FAILPOINT("region.formatted");
	if (!s->anonymous)
		err = region_file_publish(made, cfg->state_path, error);
	(void)FAILPOINT("region.created");
out:
	if (err)
		region_close(s);
	if (err && fd >= 0)
		unlink(made);
	if (fd >= 0)
		close(fd);
	free(h);
	return err;
}

static int check_parts(struct region *s, struct failure *error)
{
	const struct ring_layout *ring = &s->ring.layout;
	const struct arena_record *rec;
	const char *why;
	uint64_t i;
	int err;

	err = ring_check(ring, &why);
	if (err)
		return failure_set(error, err, "%s", why);
	for (i = 0; i < s->header->workers; i++) {
		if (arena_load(&s->arenas[i], &why))
			return failure_set(error, -EBADMSG, "%s", why);
		if (s->header->version == REGION_VERSION_2)
			s->arenas[i].now.lanes = 0; /* was another word */
		rec = &s->arenas[i].now;
		if (arena_is_lane(rec))
			continue;
		if (rec->end > ring_head(ring) ||
		    rec->end - rec->begin > ring->geo.slots)
			return failure_set(
				error, -EBADMSG,
				"an arena's tickets are not the ring's");
	}
	if (lane_table_check(&s->lanes, &why))
		return failure_set(error, -EBADMSG, "%s", why);
	return 0;
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

/*
 * Reads the file's own description before anything is believed, allocated or
 * mapped because of its size.
 */
static int check_header(int fd, const char *path, size_t bytes,
			struct failure *error)
{
	struct region_header *h = malloc(sizeof(*h));
	int err;

	if (!h)
		return failure_set(error, -ENOMEM, "out of memory");
	if (pread(fd, h, sizeof(*h), 0) != sizeof(*h))
		err = failure_set(error, -EIO, "state.path: cannot read %s",
				  path);
	else
		err = region_header_check(h, bytes, error);
	free(h);
	return err;
}

int region_open_old(struct region *s, const char *path,
		    enum config_framing framing, struct failure *error)
{
	const struct region_form *form = NULL;
	size_t bytes = 0;
	int fd, err;

	memset(s, 0, sizeof(*s));
	fd = region_file_open(path, &bytes, error);
	if (fd < 0)
		return fd;
	err = check_header(fd, path, bytes, error);
	if (!err)
		err = map_old(s, fd, path, bytes, error);
	close(fd);
	if (!err)
		err = region_header_check_boot(s->header, error);
	if (!err && (form = region_header_form(s->header)))
		framing = region_form_framing(form);
	if (!err && (err = open_parts(s, framing)))
		failure_set(error, err, "out of memory");
	/* A daemon that recorded nothing removed no header. */
	if (!err)
		set_strip(s, form ? region_form_strip(form) : STRIP_NONE);
	if (!err)
		err = check_parts(s, error);
	if (!err)
		region_header_use_names(s->header);
	if (err)
		region_close(s);
	return err;
}

void region_adopt(struct region *s, const struct config *cfg)
{
	uint64_t i;

	(void)populate(s);
	region_header_use_form(s->header, cfg);
	for (i = 0; i < s->header->workers; i++) {
		arena_restart(&s->arenas[i]);
		s->arenas[i].framing = cfg->files_framing;
	}
	set_strip(s, cfg->socket_strip);
	ring_adopt(&s->ring);
	(void)FAILPOINT("region.adopted");
}

static bool are_arenas_empty(const struct region *s)
{
	struct arena_record rec;
	uint64_t i;

	for (i = 0; i < s->header->workers; i++) {
		arena_snapshot(&s->arenas[i], &rec);
		if (rec.count)
			return false;
	}
	return true;
}

void region_set_clean(struct region *s, bool clean)
{
	/* I7 */
	assert(!clean || are_arenas_empty(s));
	region_header_set_clean(s->header, clean);
}

static int read_clean(int fd, struct region_header *h, struct failure *error)
{
	struct stat st;
	ssize_t n;
	int err;

	if (fstat(fd, &st))
		return failure_set(error, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return failure_set(error, -EINVAL, "it is not a regular file");
	n = pread(fd, h, sizeof(*h), 0);
	if (n < 0)
		return failure_set(error, -errno, "%s", strerror(errno));
	if ((size_t)n < sizeof(*h))
		return failure_set(error, -EBADMSG, "it is cut short");
	err = region_v1_convert_header(h, error);
	if (!err)
		err = region_header_check(h, st.st_size, error);
	if (err)
		return err;
	if (region_header_is_clean(h))
		return 0;
	return failure_set(error, -ENOTEMPTY, "it may hold messages");
}

int region_check_clean(const char *path, struct failure *error)
{
	struct region_header *h = malloc(sizeof(*h));
	int fd, err;

	if (!h)
		return failure_set(error, -ENOMEM, "out of memory");
	/* O_NONBLOCK: opening a pipe of that name must not hang */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		err = failure_set(error, -errno, "%s", strerror(errno));
	} else {
		err = read_clean(fd, h, error);
		close(fd);
	}
	free(h);
	return err;
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
