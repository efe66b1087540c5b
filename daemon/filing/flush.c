/* SPDX-License-Identifier: MIT */
/* See flush.h. */
#include "daemon/filing/flush.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/failpoint.h"
#include "daemon/base/group.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/filing/rename.h"
#include "daemon/filing/retain.h"
#include "daemon/filing/temp_dir.h"

void flush_open(struct flush *f, const struct config *cfg, unsigned worker,
		struct region_names *names)
{
	assert(cfg);
	memset(f, 0, sizeof(*f));
	f->cfg = cfg;
	f->worker = worker;
	f->names = names;
}

static int failed(struct flush *f, int err, const char *op, const char *where)
{
	f->op = op;
	f->vanished = false;
	f->limited = false;
	snprintf(f->where, sizeof(f->where), "%s", where);
	return err;
}

int flush_path(char out[PATH_MAX], const char *dir, const char *leading,
	       const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s%s", dir, leading, name);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int temp_path(const struct flush *f, const char *name, bool beside,
		     char out[PATH_MAX])
{
	if (beside)
		return flush_path(out, f->cfg->files_path, ".", name);
	return flush_path(out, f->cfg->temp, "", name);
}

static int check_directory(struct flush *f, const char *path, struct stat *st)
{
	if (stat(path, st))
		return failed(f, -errno, "stat", path);
	if (!S_ISDIR(st->st_mode))
		return failed(f, -ENOTDIR, "stat", path);
	if (access(path, W_OK | X_OK))
		return failed(f, -errno, "access", path);
	return 0;
}

int flush_check(struct flush *f)
{
	struct stat st;

	return check_directory(f, f->cfg->files_path, &st);
}

int flush_probe(struct flush *f)
{
	const char *op;
	int err;

	f->why_beside[0] = 0;
	err = flush_check(f);
	if (err)
		return err;
	err = temp_dir_probe(f->cfg, &op, f->why_beside);
	f->beside = err > 0;
	return err < 0 ? failed(f, err, op, f->cfg->temp) : 0;
}

int flush_explain(const struct flush *f, int err, struct failure *failure)
{
	const char *temp = f->cfg->temp;

	return failure_set(failure, err, "files.%s: %s %s: %s; %s",
			   strcmp(f->where, temp) ? "path" : "temp", f->op,
			   f->where, strerror(-err),
			   err == -ENOENT ?
				   "create the directory, or name another" :
				   remedy_at(err, f->where));
}

/*
 * The group of a final file: that of files.group, or the one that a file made
 * in files.path would get.
 */
static gid_t wanted_group(const struct flush *f)
{
	struct stat st;

	if (f->has_group)
		return f->group;
	if (!stat(f->cfg->files_path, &st) && st.st_mode & S_ISGID)
		return st.st_gid;
	return getegid();
}

/* -EPERM if the daemon may not give a file to this group. */
static int try_group(const struct flush *f, gid_t group)
{
	const char *dir = f->beside ? f->cfg->files_path : f->cfg->temp;
	/* It has no name.  A file system without such files is not tried. */
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	int err = 0;

	if (fd < 0)
		return 0;
	if (fchown(fd, (uid_t)-1, group) && errno == EPERM)
		err = -EPERM;
	close(fd);
	return err;
}

int flush_find_group(struct flush *f, struct failure *failure)
{
	const char *name = f->cfg->files_group;
	int err;

	f->has_group = name[0];
	if (f->has_group && group_find(name, &f->group))
		return failure_set(failure, -ENOENT,
				   "files.group: there is no group \"%s\"; "
				   "name one from /etc/group, or leave it "
				   "empty",
				   name);
	err = try_group(f, wanted_group(f));
	if (err && f->has_group)
		return failure_set(failure, err,
				   "files.group: cannot give files to group "
				   "%s: %s; let the daemon's user be in it "
				   "(SupplementaryGroups= in the unit)",
				   name, strerror(-err));
	if (!err || f->beside)
		return 0;
	f->beside = true;
	return 1;
}

struct flush_place flush_get_place(const struct flush *f)
{
	return (struct flush_place){ f->beside, f->has_group, f->group };
}

void flush_set_place(struct flush *f, const struct flush_place *place)
{
	f->beside = place->beside;
	f->has_group = place->has_group;
	f->group = place->group;
}

int flush_refuse(struct flush *f, const char *limit)
{
	failed(f, -EDQUOT, limit, f->cfg->files_path);
	f->limited = true;
	return -EDQUOT;
}

const char *flush_remedy(const struct flush *f, int err)
{
	if (f->limited)
		return "let a shipper take files away, raise the limit, or set "
		       "files.when_full to delete-oldest";
	return f->vanished ? "another program took this unfinished file away; "
			     "let none touch the directory" :
			     remedy_at(err, f->where);
}

void flush_name(struct flush *f, char name[FLUSH_NAME])
{
	struct file_name n = { f->worker, f->names->number, 0 };
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	n.ns = ts.tv_sec * CLOCK_SECOND + ts.tv_nsec;
	if (FAILPOINT("flush.clock"))
		n.ns -= n.ns % (1000000 * CLOCK_SECOND);
	n.ns = region_names_next(f->names, n.ns);
	file_name_make(&n, f->cfg, name);
}

/*
 * Makes files.temp if somebody has deleted it.  -EXDEV: somebody else's is in
 * its place, and from now on unfinished files are elsewhere.
 */
static int check_temp(struct flush *f)
{
	int err = f->beside ? 0 : temp_dir_check(f->cfg->temp, true);

	if (!err)
		return 0;
	if (!temp_dir_is_foreign(err))
		return failed(f, err, "open", f->cfg->temp);
	f->beside = true;
	/* What is there is not ours to delete. */
	f->foreign = true;
	log_warning("files.temp: %s is not the daemon's alone any more; "
		    "unfinished files are dot files inside %s instead, until "
		    "the next start",
		    f->cfg->temp, f->cfg->files_path);
	return failed(f, -EXDEV, "open", f->cfg->temp);
}

static int open_temp(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int err = FAILPOINT("flush.open");
	int fd;

	if (err)
		return err;
	fd = open(path, flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* The temp file that is being written. */
struct output {
	struct flush *f;
	int fd;
};

/* compress_write_fn */
static int write_all(void *arg, const void *from, size_t len)
{
	const struct output *out = arg;
	const uint8_t *data = from;
	size_t chunk;
	ssize_t n;
	int fault;

	while (len) {
		fault = FAILPOINT("flush.write");
		if (fault < 0)
			return fault;
		chunk = fault == FAILPOINT_SHORT ? (len + 1) / 2 : len;
		n = write(out->fd, data, chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		data += n;
		len -= n;
		out->f->bytes += n;
	}
	return 0;
}

static int write_content(struct flush *f, int fd, const void *data, size_t len)
{
	struct output out = { f, fd };

	f->bytes = 0;
	if (f->cfg->files_compression == COMPRESSION_NONE)
		return write_all(&out, data, len);
	assert(f->compressor);
	return compress_frame(f->compressor, data, len, write_all, &out);
}

/* After fstat() of the temp file.  -EXDEV: f->beside was set. */
static int set_group(struct flush *f, int fd)
{
	gid_t wanted;
	int err = FAILPOINT("flush.group");

	/* In files.path itself the kernel does it. */
	if (err || (f->beside && !f->has_group))
		return err;
	wanted = wanted_group(f);
	if (f->temp.st_gid == wanted || !fchown(fd, (uid_t)-1, wanted))
		return 0;
	err = -errno;
	if (err != -EPERM || f->has_group)
		return err;
	/* files.path got another group while the daemon runs */
	log_warning("files.group: the daemon's user is not in group %u, that "
		    "of %s; unfinished files are dot files inside it, until "
		    "the next start; let the user be in that group",
		    (unsigned)wanted, f->cfg->files_path);
	f->beside = true;
	return -EXDEV;
}

/* Everything between open and close; *op is the operation that failed. */
static int fill_temp(struct flush *f, int fd, const void *data, size_t len,
		     const char **op)
{
	int err;

	*op = "fstat";
	if (fstat(fd, &f->temp))
		return -errno;
	*op = "write";
	err = write_content(f, fd, data, len);
	if (err)
		return err;
	/* Before the mode, which may not allow it any more. */
	if (f->cfg->files_when_full == FULL_DELETE_OLDEST && f->messages)
		retain_note(fd, f->messages);
	*op = "fchown";
	err = set_group(f, fd);
	if (err)
		return err;
	*op = "fchmod";
	err = FAILPOINT("flush.mode");
	if (!err && fchmod(fd, f->cfg->files_permission))
		err = -errno;
	if (err || f->cfg->files_sync == SYNC_NONE)
		return err;
	*op = "fdatasync";
	err = FAILPOINT("flush.sync");
	if (!err && fdatasync(fd))
		err = -errno;
	return err;
}

int flush_write(struct flush *f, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];
	const char *op;
	int fd, err;

	assert(f->cfg && name[0]);
	f->pending = f->renamed = false;
	err = temp_path(f, name, f->beside, path);
	if (err)
		return failed(f, err, "name", f->cfg->temp);
	err = check_temp(f);
	if (err)
		return err;
	fd = open_temp(path);
	f->foreign = fd == -EEXIST;
	if (fd < 0)
		return failed(f, fd, "open", path);
	err = fill_temp(f, fd, data, len, &op);
	/* NFS and quotas report at close(2) what write(2) could not know. */
	if (close(fd) && !err) {
		op = "close";
		err = errno == EINTR ? 0 : -errno;
	}
	if (!err) {
		op = "close";
		err = FAILPOINT("flush.close");
	}
	if (err) {
		/* Makes room for other files, and for the next try. */
		unlink(path);
		return failed(f, err, op, path);
	}
	return 0;
}

static int sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = FAILPOINT("flush.names");
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int flush_sync_names(struct flush *f, const char *dir)
{
	int err;

	if (f->cfg->files_sync != SYNC_DATA)
		return 0;
	err = sync_directory(dir);
	if (err != -EINVAL)
		return err ? failed(f, err, "fsync", dir) : 0;
	/* No try can succeed: fsync(2) has this error for nothing else. */
	if (!f->says_unsynced)
		log_warning("files.sync: the file system of %s cannot sync a "
			    "directory: a power failure may undo the names of "
			    "the last files; use another file system if that "
			    "matters",
			    dir);
	f->says_unsynced = true;
	return 0;
}

/* Is the file that flush_write() made still at its place? */
static bool is_temp_there(const struct flush *f, const char *from)
{
	struct stat st;

	return !lstat(from, &st) && st.st_dev == f->temp.st_dev &&
	       st.st_ino == f->temp.st_ino && st.st_uid == f->temp.st_uid;
}

/* Says which of the two is not there: the temp file or files.path. */
static int rename_failed(struct flush *f, int err, const char *from,
			 const char *to)
{
	if (err != -ENOENT || is_temp_there(f, from))
		return failed(f, err, "rename", to);
	failed(f, err, "rename", from);
	f->vanished = true;
	return err;
}

/* The first half of flush_publish(). */
static int rename_temp(struct flush *f, const char *name)
{
	const char *dir = f->beside ? f->cfg->files_path : f->cfg->temp;
	char from[PATH_MAX], to[PATH_MAX];
	int err, did;
	bool sure;

	err = temp_path(f, name, f->beside, from);
	if (!err)
		err = flush_path(to, f->cfg->files_path, "", name);
	if (err)
		return failed(f, err, "name", f->cfg->files_path);
	err = FAILPOINT("flush.rename");
	/* Another file, of whoever laid it there, is not renamed. */
	if (!err && !is_temp_there(f, from))
		err = -ENOENT;
	if (!err)
		err = rename_noreplace(from, to);
	if (!err)
		return 0;
	sure = err != -ENOENT || f->pending;
	did = rename_happened(dir, from, to, &f->temp, sure);
	if (did > 0)
		return 0;
	f->pending = did < 0;
	if (err == -EXDEV && !f->beside && !f->pending) {
		/*
		 * Two mounts of one file system, which not every kernel tells
		 * flush_probe().  The temp file stays: without it, recovery
		 * would conclude that the rename happened.
		 */
		f->beside = true;
		(void)FAILPOINT("flush.crossed");
	}
	return rename_failed(f, err, from, to);
}

int flush_publish(struct flush *f, const char *name)
{
	int err;

	if (!f->renamed) {
		err = rename_temp(f, name);
		if (err)
			return err;
		(void)FAILPOINT("flush.renamed");
	}
	/* The file stays as it is; only this is repeated until it holds. */
	err = flush_sync_names(f, f->cfg->files_path);
	f->renamed = f->pending = err != 0;
	return err;
}

int flush_discard(struct flush *f, const char *name, bool beside)
{
	char path[PATH_MAX];
	struct stat st;
	int err;

	/* A path that does not fit was never opened. */
	if (temp_path(f, name, beside, path) || !unlink(path))
		return 0;
	err = -errno;
	/* What is in a directory of somebody else is not ours to delete. */
	if (!beside && temp_dir_is_foreign(temp_dir_check(f->cfg->temp, false)))
		return 0;
	return lstat(path, &st) ? 0 : failed(f, err, "unlink", path);
}
