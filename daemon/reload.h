/* SPDX-License-Identifier: MIT */
/*
 * The settings in use, and reading them again while the daemon runs.
 *
 * Workers may still look at old settings for a moment, so these are kept
 * until every worker has seen the new ones.  Loop thread only.
 */
#ifndef BUFWRITER_RELOAD_H
#define BUFWRITER_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/config.h"
#include "daemon/intake/listener.h"
#include "daemon/worker/workers.h"

struct reload {
	/* where settings come from; all but `file` constant after start */
	const char *file; /* NULL: none so far */
	const char *const *options;
	size_t noptions;
	/* loop thread */
	struct config *cfg; /* in use */
	struct retired *retired;
	/* who is told, once they run */
	struct listener *listener;
	struct workers *workers;
};

enum reload_kind {
	RELOAD_APPLIED, /* this key has changed */
	RELOAD_RESTART, /* this key differs in the file, and needs a restart */
	RELOAD_WRONG,	/* a line that says what is wrong with the file */
};

typedef void reload_report_fn(void *arg, enum reload_kind kind,
			      const char *text);

/*
 * Reads the settings again and applies what can be applied.  Each difference
 * and each problem goes to the log, and to `report` if it is not NULL.
 * 0; -EINVAL: the file is wrong and nothing has changed; -ENOMEM.
 */
int reload_run(struct reload *r, reload_report_fn *report, void *arg);

/* Gives back old settings that no worker uses any more. */
void reload_settle(struct reload *r);
/* The same without asking, and the settings in use too: no worker runs. */
void reload_close(struct reload *r);

#endif
