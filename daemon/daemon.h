/* SPDX-License-Identifier: MIT */
/*
 * All parts of the running daemon, wired by main.c and taken apart by stop.c.
 *
 * Loop thread only.
 */
#ifndef BUFWRITER_DAEMON_H
#define BUFWRITER_DAEMON_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/arguments.h"
#include "daemon/control/control.h"
#include "daemon/intake/lane_server.h"
#include "daemon/intake/listener.h"
#include "daemon/loop.h"
#include "daemon/reload.h"
#include "daemon/sockets.h"
#include "daemon/start.h"
#include "daemon/watchdog.h"
#include "daemon/worker/workers.h"

struct daemon {
	struct arguments arguments;
	struct reload settings;
	struct start res;
	struct workers workers;
	struct listener listener;
	struct senders senders; /* with senders.identify */
	struct sender_names names;
	struct lane_server lanes;
	struct control control;
	struct sockets sockets;
	struct watchdog watchdog;
	/* loop */
	struct loop loop;
	uv_async_t notified;
	uv_signal_t on_term, on_int, on_hup, on_usr1;
	uv_timer_t stop_timer;
	uv_timer_t lanes_timer; /* until a stop no longer waits for lanes */
	bool reload_asked;	/* by SIGHUP */
	bool flush_asked;	/* by SIGUSR1 */
	bool running;		/* the start is complete, workers run */
	bool stopping;
	bool draining; /* the listener was told to stop */
	bool abandoned;
	bool stopped; /* the loop ends */
	int failed;   /* exit status of a start that failed, or 0 */
};

#endif
