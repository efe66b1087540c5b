/* SPDX-License-Identifier: MIT */
/*
 * systemd's watchdog (sd_watchdog_enabled(3)): keep-alive messages, as long as
 * no worker thread is stuck.  Loop thread only.
 */
#ifndef BUFWRITER_WATCHDOG_H
#define BUFWRITER_WATCHDOG_H

#include <uv.h>

#include "daemon/worker/workers.h"

struct watchdog {
	uv_timer_t timer;
	struct workers *workers;
};

/*
 * Starts the keep-alives, twice as often as systemd wants them; does nothing
 * if it wants none.  loop_close() closes the timer.
 */
void watchdog_start(struct watchdog *w, uv_loop_t *uv, struct workers *workers);

#endif
