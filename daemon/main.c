/* SPDX-License-Identifier: MIT */
/*
 * bufwriterd: wiring, signals, and the order of start, run and stop.
 *
 * Start: settings, sockets, listener and control socket, so that nobody is
 * kept waiting (I4).  Meanwhile a thread looks at the directories and recovers
 * what a dead process left in the region.  When that is complete: workers,
 * the ring for the listener, READY.  A failure before READY is one line in the
 * log and an exit status.
 *
 * The stop is in stop.c.
 *
 * The main thread is the loop thread, see loop.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <uv.h>

#include "conf/config.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/remedy.h"
#include "daemon/base/scheduling.h"
#include "daemon/base/systemd.h"
#include "daemon/control/health.h"
#include "daemon/daemon.h"
#include "daemon/intake/sender_proc.h"
#include "daemon/stop.h"

/* How long systemd's queue may be full before READY=1 is given up. */
#define READY_MS 5000
/* How much longer a start may take that waits for the disk, each time. */
#define EXTEND_MS 35000

/* Prints lines about settings as a compiler prints its errors. */
static void print_line(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s%s\n",
		log_has_priorities() ? "<3>" : "bufwriterd: ", line);
}

/* -- events of the loop -------------------------------------------------- */

static void recovery_notified(struct daemon *d);

static void on_notified(uv_async_t *async)
{
	struct daemon *d = async->data;

	if (!d->running) {
		recovery_notified(d);
		return;
	}
	listener_resume(&d->listener);
	reload_settle(&d->settings);
	control_notified(&d->control);
	lane_server_notified(&d->lanes);
	stop_notified(d);
}

/* Any thread: the loop thread runs on_notified() soon. */
static void notify_loop(void *arg)
{
	struct daemon *d = arg;

	uv_async_send(&d->notified);
}

/*
 * libuv calls this for each signal that waits, before it returns to the loop.
 * What takes longer than a signal takes to arrive is done in heed_signals(), or
 * signals without end would keep the loop from everything else.
 */
static void on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	switch (signum) {
	case SIGHUP:
		d->reload_asked = true;
		break;
	case SIGUSR1:
		d->flush_asked = true;
		break;
	default:
		stop_begin(d, signum == SIGTERM ? "SIGTERM" : "SIGINT");
	}
}

/* Once a turn of the loop, however many signals came. */
static void heed_signals(struct daemon *d)
{
	if (d->reload_asked) {
		d->reload_asked = false;
		reload_run(&d->settings, NULL, NULL);
	}
	if (d->flush_asked) {
		d->flush_asked = false;
		log_info("SIGUSR1: flushing all workers");
		workers_flush(&d->workers);
	}
}

/* The system refused threads, descriptors or memory. */
static void report_refusal(int err)
{
	const char *limit = remedy_limit(err);

	log_error("cannot start: %s%s%s", uv_strerror(err), limit ? "; " : "",
		  limit ? limit : "");
}

static void watch_signal(struct daemon *d, uv_signal_t *handle, int signum)
{
	uv_signal_init(&d->loop.uv, handle);
	handle->data = d;
	uv_signal_start(handle, on_signal, signum);
}

static int open_loop(struct daemon *d)
{
	int err = loop_open(&d->loop);

	if (err)
		return err;
	err = uv_async_init(&d->loop.uv, &d->notified, on_notified);
	if (err)
		return err;
	d->notified.data = d;
	watch_signal(d, &d->on_term, SIGTERM);
	watch_signal(d, &d->on_int, SIGINT);
	watch_signal(d, &d->on_hup, SIGHUP);
	watch_signal(d, &d->on_usr1, SIGUSR1);
	stop_open(d);
	return 0;
}

/*
 * SIGHUP or SIGUSR1 during the start waits until the start is done; by default
 * either signal would kill the daemon.
 */
static void hold_requests(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(how, &set, NULL);
}

/* -- start --------------------------------------------------------------- */

static int open_control(struct daemon *d)
{
	struct sources from = {
		.ring = &d->res.region.ring,
		.listener = &d->listener,
		.senders = d->names.open ? &d->senders : NULL,
		.workers = &d->workers,
		.workers_most = d->settings.cfg->buffer_workers,
		.lanes_most = lane_table_entries(d->settings.cfg->lanes_count),
		.lanes = &d->lanes,
		.start = &d->res,
		.watch = &d->sockets.data,
		.further = &d->res.further,
		.region_watch = &d->sockets.region,
		.lock_watch = &d->sockets.lock,
		.metrics = &d->control.file,
		.settings = &d->settings,
		.recovered = &d->res.recovered,
		.qlen = d->res.qlen,
		.started_mono_ns = clock_now(),
	};
	struct timespec now;

	unix_socket_name(d->res.fd, from.socket);
	clock_gettime(CLOCK_REALTIME, &now);
	from.started_ns = now.tv_sec * CLOCK_SECOND + now.tv_nsec;
	return control_open(&d->control, &d->loop.uv, d->res.control.fd, &from);
}

/* Without READY=1 systemd would end the daemon after TimeoutStartSec=. */
static void report_ready(void)
{
	int err = systemd_insist(READY_MS, "READY=1\nSTATUS=Listening.");

	if (err)
		log_warning("cannot tell systemd that the daemon is ready: %s",
			    strerror(-err));
}

/*
 * After all other threads have started, because they would inherit the nice
 * value.  Pausing needs the boost: without it this thread could get its
 * processor back too late.
 */
static void boost_this_thread(struct daemon *d)
{
	if (scheduling_boost(d->settings.cfg->socket_priority_boost) &&
	    d->res.qlen >= PACE_PAUSE_QLEN)
		pace_allow_pauses(&d->listener.pace);
}

/* The recovery is complete: everything that moves messages begins. */
static int run_workers(struct daemon *d)
{
	struct start *s = &d->res;
	int err;

	region_set_clean(&s->region, false);
	err = workers_start(&d->workers, d->settings.cfg, &s->region, &s->place,
			    notify_loop, d);
	if (err) {
		report_refusal(err);
		return EX_OSERR;
	}
	d->running = true;
	sockets_watch_region(&d->sockets, &d->loop.uv);
	boost_this_thread(d);
	listener_begin(&d->listener, &s->region.ring, &d->workers);
	err = lane_server_open(&d->lanes, &d->loop.uv, s->lanes_fd, &d->workers,
			       &s->region.lanes, &d->listener, d->settings.cfg,
			       s->passed.stored);
	if (err)
		log_error("lanes: cannot serve %s: %s; programs send "
			  "datagrams",
			  d->settings.cfg->lanes, uv_strerror(err));
	watchdog_start(&d->watchdog, &d->loop.uv, &d->workers);
	hold_requests(SIG_UNBLOCK);
	if (d->stopping) {
		stop_drain(d);
		return 0;
	}
	log_info("ready: listening on %s, filing into %s, %u workers",
		 s->socket.fd >= 0 ? d->settings.cfg->socket_path :
				     "the socket passed by systemd",
		 d->settings.cfg->files_path, d->workers.count);
	report_ready();
	control_notified(&d->control);
	return 0;
}

/*
 * The disk refuses what is to be recovered.  Senders do not wait for it, and
 * systemd learns that the start takes longer than TimeoutStartSec=.
 */
static void recovery_waits(struct daemon *d)
{
	char drops[HEALTH_DROPS];
	struct dropped dropped;
	const char *remedy;
	int error = start_waits_for(&d->res, &remedy);

	if (!error)
		return;
	listener_recovery_waits(&d->listener);
	dropped_read(&dropped, &d->listener.stats);
	health_explain_drops(drops, &dropped);
	if (!d->stopping)
		systemd_notify("STATUS=Recovery waits for the disk: %s; %s%s.\n"
			       "EXTEND_TIMEOUT_USEC=%" PRIu64,
			       strerror(error), remedy, drops,
			       EXTEND_MS * UINT64_C(1000));
}

/* The recovery waits for the disk, or is complete, or has failed. */
static void recovery_notified(struct daemon *d)
{
	if (!start_is_done(&d->res)) {
		recovery_waits(d);
		return;
	}
	d->failed = start_finish(&d->res);
	if (!d->failed)
		d->failed = run_workers(d);
	if (d->failed)
		d->stopped = true;
}

/* With senders.identify. */
static int open_senders(struct daemon *d)
{
	const struct config *cfg = d->settings.cfg;
	int err;

	if (cfg->senders_identify != SWITCH_YES)
		return 0;
	err = senders_open(&d->senders, cfg, clock_now());
	if (!err)
		err = sender_names_open(&d->names, &d->loop.uv, &d->senders);
	if (err)
		return err;
	listener_identify(&d->listener, &d->senders, &d->names);
	d->senders.hidden = !sender_proc_is_visible();
	if (d->senders.hidden)
		log_notice("senders.identify: the daemon cannot see the "
			   "processes of other users, so that it does not know "
			   "their commands and units; set ProtectProc=default "
			   "in the unit (bufwriterd(8) has the drop-in "
			   "identify.conf), or mount /proc without hidepid");
	return 0;
}

static int start(struct daemon *d)
{
	struct start *s = &d->res;
	int status, err;

	/* The other threads inherit this. */
	scheduling_yield();
	err = log_start();
	if (err) {
		report_refusal(err);
		return EX_OSERR;
	}
	status = start_open(s, d->settings.cfg);
	if (status)
		return status;
	err = open_loop(d);
	if (!err) {
		listener_start(&d->listener, &d->loop.uv, s->fd,
			       s->socket.fd >= 0, d->settings.cfg);
		listener_know_qlen(&d->listener, s->qlen);
		err = open_senders(d);
	}
	if (!err)
		err = open_control(d);
	if (!err)
		sockets_open(&d->sockets, &d->loop.uv, s, &d->settings,
			     &d->listener, &d->control);
	if (!err)
		err = start_recover(s, d->settings.cfg, notify_loop, d);
	if (err) {
		report_refusal(err);
		sockets_close(&d->sockets);
		control_close(&d->control, true);
		start_unbind(s);
		return EX_OSERR;
	}
	loop_start(&d->loop, &d->listener);
	return 0;
}

/* The exit status of what only prints. */
static int end_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	fprintf(stderr, "bufwriterd: cannot write the output: %s\n",
		strerror(errno));
	return EX_IOERR;
}

/* The exit status of --is-clean. */
static int check_clean(const char *path)
{
	struct failure failure;

	if (!region_check_clean(path, &failure))
		return 0;
	fprintf(stderr, "bufwriterd: %s: %s\n", path, failure.text);
	return 1;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	struct reload *settings = &d.settings;
	enum action action;
	int status;

	log_open();
	action = arguments_parse(&d.arguments, argc, argv);
	if (action == ACTION_DONE)
		return end_output();
	if (action == ACTION_WRONG)
		return EX_USAGE;
	if (action == ACTION_CLEAN)
		return check_clean(d.arguments.region);
	if (action != ACTION_TEST)
		hold_requests(SIG_BLOCK);
	settings->file = d.arguments.file;
	settings->options = d.arguments.options;
	settings->noptions = d.arguments.noptions;
	settings->listener = &d.listener;
	settings->workers = &d.workers;
	if (config_load(settings->file, settings->options, settings->noptions,
			print_line, NULL, &settings->cfg))
		return EX_CONFIG;
	if (action == ACTION_TEST) {
		config_print(settings->cfg, stdout);
		return end_output();
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* A reader opens a file while retain.c holds a lease of it. */
	signal(SIGIO, SIG_IGN);
	log_set_level(settings->cfg->log_level);
	systemd_open();
	status = start(&d);
	if (!status) {
		while (!d.stopped) {
			control_note(&d.control);
			loop_turn(&d.loop);
			heed_signals(&d);
		}
		status = stop_end(&d);
	}
	log_stop();
	reload_close(settings);
	arguments_free(&d.arguments);
	return status;
}
