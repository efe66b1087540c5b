/* SPDX-License-Identifier: MIT */
/* See resources.h. */
#include "daemon/start.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sysexits.h>

#include "daemon/filing/flush.h"
#include "daemon/base/log.h"
#include "daemon/base/systemd.h"
#include "daemon/base/unix_socket.h"

static int explain(const struct flush *f, int err)
{
	char text[PATH_MAX + 200];

	flush_explain(f, err, text, sizeof(text));
	log_error("%s", text);
	return EX_CONFIG;
}

/* Before anything is touched: is there a directory for the files at all? */
static int check_files(const struct config *cfg)
{
	struct flush probe;
	int err;

	flush_open(&probe, cfg, 0);
	err = flush_check(&probe);
	return err ? explain(&probe, err) : 0;
}

/* After recovery, which has to know whether the temp directory is there. */
static int open_files(struct resources *r, const struct config *cfg)
{
	struct flush probe;
	int err;

	flush_open(&probe, cfg, 0);
	err = flush_probe(&probe);
	if (err)
		return explain(&probe, err);
	r->beside = probe.beside;
	if (r->beside)
		log_warning("files.temp: %s is on another file system than "
			    "%s, where a rename cannot reach, or the same "
			    "directory; files are written as dot files inside "
			    "%s instead",
			    cfg->temp, cfg->files_path, cfg->files_path);
	return 0;
}

static void wait_for_disk(uint64_t pause_ns)
{
	systemd_notify("STATUS=Recovery waits for the disk.\n"
		       "EXTEND_TIMEOUT_USEC=%" PRIu64,
		       pause_ns / 1000 + 30000000);
}

static void check_state_path(const struct config *cfg)
{
	struct statfs fs;

	if (!cfg->state_path[0])
		log_notice("state.path is empty: a crash loses what is in "
			   "memory");
	else if (!statfs(cfg->state_path, &fs) && fs.f_type != TMPFS_MAGIC &&
		 fs.f_type != RAMFS_MAGIC)
		log_notice("state.path: %s is not on tmpfs: the kernel will "
			   "write it to disk now and then, for nothing",
			   cfg->state_path);
}

static int open_state(struct resources *r, const struct config *cfg)
{
	struct failure error;
	int err;

	if (cfg->state_path[0]) {
		r->lock = region_lock(cfg->state_path, &error);
		if (r->lock < 0) {
			log_error("%s", error.text);
			return r->lock == -EBUSY ? EX_TEMPFAIL : EX_CONFIG;
		}
	}
	err = recover_region(&r->state, cfg, wait_for_disk, &r->recovered,
			     &error);
	if (err) {
		log_error("%s", error.text);
		return EX_CONFIG;
	}
	check_state_path(cfg);
	return 0;
}

static int open_socket(struct resources *r, const struct config *cfg)
{
	char text[400];
	const char *why;
	int err;

	r->socket.fd = -1;
	r->fd = systemd_socket(&why);
	if (r->fd >= 0)
		return 0;
	if (r->fd != -ENOENT) {
		log_error("the socket passed by systemd cannot be used: %s",
			  why);
		return EX_CONFIG;
	}
	err = unix_socket_bind(&r->socket, SOCK_DGRAM, cfg->socket_path,
			       cfg->socket_mode, cfg->socket_group, "socket",
			       text, sizeof(text));
	if (err) {
		log_error("%s", text);
		return err == -EADDRINUSE ? EX_TEMPFAIL : EX_CONFIG;
	}
	r->fd = r->socket.fd;
	return 0;
}

static void check_queue_length(struct resources *r)
{
	int n = r->qlen = unix_socket_qlen();

	if (n >= 0 && n < UNIX_SOCKET_QLEN_GOOD)
		log_warning("net.unix.max_dgram_qlen is %d: senders wait "
			    "after so few datagrams; set it with 'sysctl -w "
			    "net.unix.max_dgram_qlen=%d' and restart "
			    "what makes the socket",
			    n, UNIX_SOCKET_QLEN_GOOD);
}

/* The control socket, if there is to be one. */
static int bind_control(struct resources *r, const struct config *cfg)
{
	char text[400];
	int err;

	r->control.fd = -1;
	if (!cfg->control_path[0])
		return 0;
	err = unix_socket_bind(&r->control, SOCK_STREAM, cfg->control_path,
			       cfg->control_mode, cfg->control_group, "control",
			       text, sizeof(text));
	if (!err)
		return 0;
	log_error("%s", text);
	return err == -EADDRINUSE ? EX_TEMPFAIL : EX_CONFIG;
}

int start_open(struct resources *r, const struct config *cfg)
{
	int status;

	r->lock = -1;
	r->socket.fd = -1;
	r->control.fd = -1;
	status = check_files(cfg);
	if (!status)
		status = open_state(r, cfg);
	if (!status)
		status = open_files(r, cfg);
	if (!status)
		status = open_socket(r, cfg);
	if (!status)
		status = bind_control(r, cfg);
	if (status)
		start_unbind(r);
	else
		check_queue_length(r);
	return status;
}

void start_unbind(struct resources *r)
{
	unix_socket_close(&r->control);
	unix_socket_close(&r->socket);
}
