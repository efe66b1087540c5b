/* SPDX-License-Identifier: MIT */
/*
 * See start.h.  The functions here return 0, or -errno with a failure;
 * start_open() logs it, once, and chooses the exit status.
 */
#include "daemon/start.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sysexits.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/systemd.h"
#include "daemon/filing/flush.h"

/* Added to the pause of a recovery that waits for the disk. */
#define EXTEND_NS (30 * CLOCK_SECOND)

/* Before anything is touched: is there a directory for the files at all? */
static int check_files(const struct config *cfg, struct failure *failure)
{
	struct flush probe;
	int err;

	flush_open(&probe, cfg, 0);
	err = flush_check(&probe);
	return err ? flush_explain(&probe, err, failure) : 0;
}

/* After the recovery, which looks for the temp directory that this makes. */
static int open_files(struct start *s, const struct config *cfg,
		      struct failure *failure)
{
	struct flush probe;
	int err;

	flush_open(&probe, cfg, 0);
	err = flush_probe(&probe);
	if (err)
		return flush_explain(&probe, err, failure);
	s->beside = probe.beside;
	if (s->beside)
		log_warning("files.temp: %s is on another file system than "
			    "%s, or is the same directory; unfinished files "
			    "are dot files inside %s instead",
			    cfg->temp, cfg->files_path, cfg->files_path);
	return 0;
}

static void wait_for_disk(uint64_t pause_ns)
{
	systemd_notify("STATUS=Recovery waits for the disk.\n"
		       "EXTEND_TIMEOUT_USEC=%" PRIu64,
		       (pause_ns + EXTEND_NS) / CLOCK_US);
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

static int open_region(struct start *s, const struct config *cfg,
		       struct failure *failure)
{
	int err;

	if (cfg->state_path[0]) {
		s->region_lock = region_lock(cfg->state_path, failure);
		/* As for sockets: -EADDRINUSE is another daemon's. */
		if (s->region_lock == -EBUSY)
			return -EADDRINUSE;
		if (s->region_lock < 0)
			return s->region_lock;
	}
	err = recover_region(&s->region, cfg, wait_for_disk, &s->recovered,
			     failure);
	if (!err)
		check_state_path(cfg);
	return err;
}

static int open_socket(struct start *s, const struct config *cfg,
		       struct failure *failure)
{
	int err;

	s->fd = systemd_socket(failure);
	if (s->fd >= 0)
		return 0;
	if (s->fd != -ENOENT)
		return s->fd;
	err = unix_socket_bind(&s->socket, SOCK_DGRAM, cfg->socket_path,
			       cfg->socket_mode, cfg->socket_group, "socket",
			       failure);
	s->fd = s->socket.fd;
	return err;
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

int start_open(struct start *s, const struct config *cfg)
{
	struct failure failure;
	int err;

	s->region_lock = -1;
	s->socket.fd = -1;
	s->control.fd = -1;
	err = check_files(cfg, &failure);
	if (!err)
		err = open_region(s, cfg, &failure);
	if (!err)
		err = open_files(s, cfg, &failure);
	if (!err)
		err = open_socket(s, cfg, &failure);
	if (!err)
		err = open_control(s, cfg, &failure);
	if (!err) {
		check_queue_length(s);
		return 0;
	}
	log_error("%s", failure.text);
	start_unbind(s);
	return err == -EADDRINUSE ? EX_TEMPFAIL : EX_CONFIG;
}

void start_unbind(struct start *s)
{
	unix_socket_close(&s->control);
	unix_socket_close(&s->socket);
}
