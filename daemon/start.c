/* SPDX-License-Identifier: MIT */
/*
 * See start.h.  The functions here return 0, or -errno with a failure;
 * start_open() and start_finish() log it, once, and choose the exit status.
 */
#include "daemon/start.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/atomic.h"
#include "daemon/base/clock.h"
#include "daemon/base/failpoint.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/base/systemd.h"
#include "daemon/base/thread.h"
#include "daemon/filing/flush.h"
#include "daemon/filing/leftovers.h"
#include "daemon/filing/temp_dir.h"
#include "daemon/region/region_file.h"

/* Where a copy of files.path takes unfinished files along, say so. */
static void report_temp(const struct config *cfg, const char *why)
{
	if (why[0])
		log_warning("files.temp: %s: %s; unfinished files are dot "
			    "files inside %s instead, and a copy of it takes "
			    "them along; make %s a directory of user %u, mode "
			    "0700, on the mount of %s, or name one in "
			    "files.temp",
			    cfg->temp, why, cfg->files_path, cfg->temp,
			    (unsigned)geteuid(), cfg->files_path);
	else if (temp_dir_is_inside(cfg))
		log_warning("files.temp: %s is inside %s, and a copy of that "
			    "takes unfinished files along; name a directory "
			    "beside it, or leave files.temp empty",
			    cfg->temp, cfg->files_path);
}

static void remove_leftovers(const struct config *cfg, uint64_t former,
			     bool beside)
{
	unsigned n;

	if (beside)
		n = leftovers_remove(cfg->files_path, true, former);
	else
		n = leftovers_remove(cfg->temp, false, former);
	if (n)
		log_notice("removed %u unfinished files that an earlier life "
			   "of the daemon left in %s",
			   n, beside ? cfg->files_path : cfg->temp);
}

/* After the recovery, which looks for the temp directory that this makes. */
static int open_files(struct start *s, const struct config *cfg,
		      struct failure *failure)
{
	struct flush probe;
	int err;

	flush_open(&probe, cfg, 0, NULL);
	err = flush_probe(&probe);
	if (err)
		return flush_explain(&probe, err, failure);
	err = flush_find_group(&probe, failure);
	if (err < 0)
		return err;
	if (err > 0)
		log_warning("files.group: the daemon's user is not in the "
			    "group of %s; unfinished files are dot files "
			    "inside it instead, and a copy of it takes them "
			    "along; let the user be in that group "
			    "(SupplementaryGroups= in the unit)",
			    cfg->files_path);
	s->made_place = flush_get_place(&probe);
	report_temp(cfg, probe.why_beside);
	remove_leftovers(cfg, s->found.former, probe.beside);
	temp_dir_remove_former(cfg);
	return 0;
}

/* recover_wait_fn */
static void wait_for_disk(void *arg, int err, const char *remedy,
			  uint64_t pause_ns)
{
	struct start *s = arg;

	store_relaxed(&s->waits_until_ns, clock_now() + pause_ns);
	store_relaxed(&s->waits_remedy, remedy);
	/* These two come first: pairs with start_waits_for(). */
	store_release(&s->waits_for, -err);
	s->notify(s->arg);
}

static void check_state_path(const struct config *cfg)
{
	struct statfs fs;

	if (!cfg->state_path[0])
		log_notice("state.path is empty: a crash loses the messages "
			   "in memory");
	else if (!statfs(cfg->state_path, &fs) && fs.f_type != TMPFS_MAGIC &&
		 fs.f_type != RAMFS_MAGIC)
		log_notice("state.path: %s is not on tmpfs: the kernel writes "
			   "it to disk again and again, which is of no use",
			   cfg->state_path);
}

static int lock_region(struct start *s, const struct config *cfg,
		       struct failure *failure)
{
	if (!cfg->state_path[0])
		return 0;
	s->region_lock = region_file_lock(cfg->state_path, failure);
	/* As for sockets: -EADDRINUSE is another daemon's. */
	if (s->region_lock == -EBUSY)
		return -EADDRINUSE;
	return s->region_lock < 0 ? s->region_lock : 0;
}

/*
 * A wrapper has lost the socket of systemd on its way to this process, and the
 * path is in use for that reason.
 */
static int explain_missed(const struct systemd_missed *missed,
			  struct failure *failure)
{
	if (!missed->pid)
		return failure_set(failure, -EINVAL,
				   "the socket passed by systemd cannot be "
				   "used: LISTEN_PID or LISTEN_FDS is not set; "
				   "a wrapper must keep both");
	return failure_set(failure, -EINVAL,
			   "the socket passed by systemd cannot be used: "
			   "LISTEN_PID is %" PRIu64 ", and this is process "
			   "%d; a wrapper must start bufwriterd with exec",
			   missed->pid, (int)getpid());
}

static int bind_socket(struct start *s, const struct config *cfg,
		       struct failure *failure)
{
	/* Before this process has made a socket that could be descriptor 3. */
	struct systemd_missed missed;
	bool is_missed = systemd_missed(&missed);
	int err;

	s->socket.credentials = cfg->senders_identify == SWITCH_YES;
	err = unix_socket_bind(&s->socket, SOCK_DGRAM, cfg->socket_path,
			       cfg->socket_mode, cfg->socket_group, "socket",
			       failure);
	s->fd = s->socket.fd;
	if (!err)
		err = further_bind(&s->further, cfg, failure);
	if (err == -EADDRINUSE && is_missed &&
	    !strcmp(missed.name, cfg->socket_path))
		return explain_missed(&missed, failure);
	/* Without LISTEN_PID it can be any socket of the parent's. */
	if (!err && is_missed && missed.pid)
		log_warning("the socket passed by systemd, %s, is not read: "
			    "LISTEN_PID is %" PRIu64 ", and this is process "
			    "%d; a wrapper must start bufwriterd with exec",
			    missed.name, missed.pid, (int)getpid());
	return err;
}

static int open_socket(struct start *s, const struct config *cfg,
		       struct failure *failure)
{
	unsigned i;

	s->fd = systemd_socket(&s->passed, failure);
	for (i = 0; s->fd >= 0 && i < s->passed.further; i++)
		further_take(&s->further, s->passed.also[i]);
	if (s->fd >= 0)
		return 0;
	if (s->fd != -ENOENT)
		return s->fd;
	return bind_socket(s, cfg, failure);
}

static int open_control(struct start *s, const struct config *cfg,
			struct failure *failure)
{
	if (!cfg->control_path[0])
		return 0;
	return unix_socket_bind(&s->control, SOCK_STREAM, cfg->control_path,
				cfg->control_mode, cfg->control_group,
				"control", failure);
}

/* Without it programs send datagrams, so it is no reason to stop. */
static void open_lanes(struct start *s, const struct config *cfg)
{
	struct failure failure;
	char dir[PATH_MAX];

	s->lanes_fd = s->passed.lanes;
	if (!cfg->lanes_count || s->lanes_fd >= 0 || cfg->lanes[0] != '/')
		return;
	snprintf(dir, sizeof(dir), "%s", cfg->lanes);
	*strrchr(dir, '/') = 0;
	if (!strcmp(dir, cfg->files_path) || !strcmp(dir, cfg->temp)) {
		log_error("lanes.path: %s is among the files, where a shipper "
			  "would take it; name another path; programs get no "
			  "lanes, and send datagrams",
			  cfg->lanes);
		return;
	}
	if (unix_socket_bind(&s->lanes, SOCK_SEQPACKET, cfg->lanes,
			     cfg->socket_mode, cfg->socket_group, "lanes",
			     &failure))
		log_error("%s; programs get no lanes, and send datagrams",
			  failure.text);
	s->lanes_fd = s->lanes.fd;
}

static void check_queue_length(struct start *s)
{
	s->qlen = unix_socket_qlen();
	if (s->qlen >= 0 && s->qlen < UNIX_SOCKET_QLEN_GOOD)
		log_warning("net.unix.max_dgram_qlen is %d: senders block "
			    "after so few datagrams; set it with 'sysctl -w "
			    "net.unix.max_dgram_qlen=%d' and restart the unit "
			    "or the program that makes the socket",
			    s->qlen, UNIX_SOCKET_QLEN_GOOD);
}

static int exit_status(int err, const struct failure *failure)
{
	const char *limit = remedy_limit(err);

	if (limit) {
		/* Other settings would not help. */
		log_error("%s; %s", failure->text, limit);
		return EX_OSERR;
	}
	log_error("%s", failure->text);
	return err == -EADDRINUSE || err == -EBUSY ? EX_TEMPFAIL : EX_CONFIG;
}

int start_open(struct start *s, const struct config *cfg)
{
	char name[UNIX_SOCKET_NAME];
	struct failure failure;
	int err;

	s->region_lock = -1;
	s->socket.fd = -1;
	s->control.fd = -1;
	s->lanes.fd = s->lanes_fd = -1;
	err = lock_region(s, cfg, &failure);
	if (!err)
		err = open_socket(s, cfg, &failure);
	if (!err)
		err = open_control(s, cfg, &failure);
	if (!err) {
		check_queue_length(s);
		unix_socket_name(s->fd, name);
		limits_open(&s->limits, name, cfg);
		open_lanes(s, cfg);
		(void)FAILPOINT("start.lanes");
		limits_publish(&s->limits, cfg->lanes_count ? s->lanes_fd : -1,
			       cfg);
		further_publish(&s->further, cfg);
		return 0;
	}
	start_unbind(s);
	return exit_status(err, &failure);
}

/* -- recovery ------------------------------------------------------------ */

static int recover(struct start *s)
{
	int err = recover_region(&s->made, s->cfg, wait_for_disk, s, &s->found,
				 &s->failure);

	if (err)
		return err;
	check_state_path(s->cfg);
	return open_files(s, s->cfg, &s->failure);
}

static void *recovery_main(void *arg)
{
	struct start *s = arg;

	pthread_setname_np(pthread_self(), "recovery");
	s->failure.err = recover(s);
	/* Everything above comes first: pairs with start_is_done(). */
	store_release(&s->done, true);
	s->notify(s->arg);
	return NULL;
}

int start_recover(struct start *s, const struct config *cfg,
		  start_notify_fn *notify, void *arg)
{
	s->cfg = cfg;
	s->notify = notify;
	s->arg = arg;
	return thread_start(&s->thread, recovery_main, s);
}

bool start_is_done(const struct start *s)
{
	/* pairs with the release in recovery_main() */
	return load_acquire(&s->done);
}

int start_finish(struct start *s)
{
	pthread_join(s->thread, NULL);
	if (s->failure.err)
		return exit_status(s->failure.err, &s->failure);
	s->place = s->made_place;
	s->region = s->made;
	s->recovered = s->found;
	s->complete = true;
	return 0;
}

int start_waits_for(const struct start *s, const char **remedy)
{
	/* pairs with the release in wait_for_disk() */
	int error = load_acquire(&s->waits_for);

	/* relaxed: ordered by waits_for */
	*remedy = load_relaxed(&s->waits_remedy);
	return s->complete || start_is_done(s) ? 0 : error;
}

void start_close_socket(struct start *s)
{
	further_close(&s->further);
	if (s->socket.fd < 0)
		return;
	unix_socket_close(&s->lanes);
	/* First, so that it is not that of the next daemon. */
	limits_remove(&s->limits);
	unix_socket_close(&s->socket);
}

void start_unbind(struct start *s)
{
	unix_socket_close(&s->control);
	unix_socket_close(&s->lanes);
	start_close_socket(s);
}
