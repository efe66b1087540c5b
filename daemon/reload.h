/* SPDX-License-Identifier: MIT */
/*
 * The settings in use, and reading them again while the daemon runs.
 *
 * Workers may read old settings for a moment longer, so these are kept until
 * every worker has seen the new ones.  Loop thread only.
 */
#ifndef BUFWRITER_RELOAD_H
#define BUFWRITER_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/config.h"
#include "daemon/intake/listener.h"
#include "daemon/worker/workers.h"

struct reload {
	/* constant after start: where settings come from, who uses them */
	const char *const *options;
	size_t noptions;
	struct listener *listener;
	struct workers *workers;
	/* loop thread */
	const char *file;   /* NULL: there is none so far */
	struct config *cfg; /* in use */
	struct retired *retired;
};

enum reload_kind {
	RELOAD_APPLIED, /* this key has a new value */
	RELOAD_RESTART, /* this key needs a restart for its new value */
	RELOAD_WRONG,	/* a line that says what is wrong with the file */
};

/*
 * A callback and not a struct failure: a reload reports a line for each key
 * and for each error in the file.
 */
typedef void reload_report_fn(void *arg, enum reload_kind kind,
			      const char *text);

/*
 * Reads the settings again and applies those that need no restart.  Each
 * difference and each problem goes to the log, and to `report` unless that is
 * NULL.  0; -EINVAL: the file is wrong; -ENOMEM.  After an error all settings
 * are as before.
 */
int reload_run(struct reload *r, reload_report_fn *report, void *arg);

/* Frees old settings once no worker uses them. */
void reload_settle(struct reload *r);
/* Frees all settings, those in use, too: no worker runs any more. */
void reload_close(struct reload *r);

#endif
