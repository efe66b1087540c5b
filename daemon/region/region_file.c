/* SPDX-License-Identifier: MIT */
/* See region_file.h. */
#include "daemon/region/region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/path.h"
#include "daemon/region/region_header.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 10000000

static int refuse_busy(int fd, const char *path, struct failure *error)
{
	char owner[32] = "";
	ssize_t n = pread(fd, owner, sizeof(owner) - 1, 0);

	owner[n > 0 ? n : 0] = 0;
	owner[strcspn(owner, "\n")] = 0;
	return failure_set(error, -EBUSY,
			   "state.path: %s is in use by process %s; stop it "
			   "first, or give this one another state.path",
			   path, owner[0] ? owner : "unknown");
}

/* 0 or -errno. */
static int write_owner(int fd)
{
	char owner[32];
	ssize_t written;
	int n = snprintf(owner, sizeof(owner), "%d\n", (int)getpid());

	if (ftruncate(fd, 0))
		return -errno;
	written = pwrite(fd, owner, n, 0);
	if (written < 0)
		return -errno;
	return written == n ? 0 : -EIO;
}

/*
 * The lock file can be removed, the region cannot be swapped: a region that is
 * open anywhere is locked itself, too.  A mapping keeps the open file, and so
 * the lock, when its descriptor is closed.
 *
 * Whoever reads /proc/PID, such as ps(1), can keep the mapping of a process for
 * a moment after that was killed and waited for.  So a lock that is held is
 * tried again for a second.
 */
static int lock_region(int fd, const char *path, struct failure *error)
{
	const struct timespec pause = { 0, LOCK_PAUSE_NS };
	unsigned tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return 0;
		nanosleep(&pause, NULL);
	}
	return failure_set(error, -EBUSY,
			   "state.path: %s is in use by another process, "
			   "although its lock file was removed; stop that "
			   "process first, or give this one another state.path",
			   path);
}

/* Before anything is touched: does a process use the region without a lock
 * file? */
static int check_unused(const char *path, struct failure *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (fd < 0)
		return 0;
	err = lock_region(fd, path, error);
	close(fd);
	return err;
}

/* The lock file is emptied and written to, so it must be nothing else. */
static int check_lock(int fd, const char *lock, struct failure *error)
{
	struct stat st;

	if (fstat(fd, &st))
		return failure_set(error, -errno, "state.path: %s: %s", lock,
				   strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_nlink <= 1)
		return 0;
	return failure_set(error, -EPERM,
			   "state.path: the lock file %s %s; remove it, or "
			   "name another state.path",
			   lock,
			   S_ISREG(st.st_mode) ? "has another name, too" :
						 "is not a regular file");
}

int region_file_lock(const char *path, struct failure *error)
{
	char lock[PATH_MAX];
	int fd, err;

	path_make_parent(path);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock,
		  O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
			  O_NOCTTY,
		  0600);
	if (fd < 0)
		return failure_set(
			error, -errno,
			"state.path: cannot open the lock file %s: %s; "
			"the daemon's user needs a directory there that "
			"it can write to",
			lock, strerror(errno));
	err = check_lock(fd, lock, error);
	if (err)
		goto out;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = refuse_busy(fd, path, error);
		goto out;
	}
	err = check_unused(path, error);
	if (err)
		goto out;
	err = write_owner(fd);
	if (err)
		failure_set(error, err,
			    "state.path: cannot write the lock file %s: %s",
			    lock, strerror(-err));
out:
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int check_file(int fd, const char *path, size_t *bytes,
		      struct failure *error)
{
	struct stat st;

	if (fstat(fd, &st))
		return failure_set(error, -errno, "state.path: %s: %s", path,
				   strerror(errno));
	if (!S_ISREG(st.st_mode))
		return failure_set(error, -EINVAL,
				   "state.path: %s is not a regular file",
				   path);
	/*
	 * Recovery renames and deletes files that the region names, so accept
	 * only a region that nobody else could have written.
	 */
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
	*bytes = st.st_size;
	return 0;
}

int region_file_open(const char *path, size_t *bytes, struct failure *error)
{
	/* O_NONBLOCK: opening a pipe of that name must not hang */
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (fd < 0)
		return failure_set(error, -errno,
				   "state.path: cannot open %s: %s", path,
				   strerror(errno));
	err = check_file(fd, path, bytes, error);
	if (!err)
		err = lock_region(fd, path, error);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int region_file_make(const char *path, size_t bytes, char made[PATH_MAX],
		     struct failure *error)
{
	int fd, err;

	snprintf(made, PATH_MAX, "%s.new", path);
	unlink(made);
	fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failure_set(error, -errno,
				   "state.path: cannot create %s: %s", made,
				   strerror(errno));
	do {
		err = posix_fallocate(fd, 0, bytes);
	} while (err == EINTR);
	if (!err) {
		/* Nobody else knows this file yet. */
		(void)flock(fd, LOCK_EX | LOCK_NB);
		return fd;
	}
	close(fd);
	unlink(made);
	/* The process came to its limit: the caller says so. */
	if (err == EFBIG)
		return failure_set(error, -err,
				   "state.path: cannot allocate %zu bytes for "
				   "%s: %s",
				   bytes, path, strerror(err));
	return failure_set(error, -err,
			   "state.path: cannot allocate %zu bytes for %s: "
			   "%s; make its file system larger, or lower "
			   "buffer.size, workers, queue_size or "
			   "socket.max_message",
			   bytes, path, strerror(err));
}

int region_file_publish(const char *made, const char *path,
			struct failure *error)
{
	if (!rename(made, path))
		return 0;
	return failure_set(error, -errno,
			   "state.path: cannot rename %s to %s: %s", made, path,
			   strerror(errno));
}

int region_file_set_aside(const char *path, char *aside, size_t n)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(aside, n, "%s.bad-%lld%09ld", path, (long long)ts.tv_sec,
		 ts.tv_nsec);
	return rename(path, aside) ? -errno : 0;
}
