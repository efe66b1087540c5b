/* SPDX-License-Identifier: MIT */
/* See reload.h. */
#include "daemon/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arguments.h"
#include "daemon/base/log.h"
#include "daemon/base/systemd.h"

/* How long the end of a reload is repeated while systemd's queue is full. */
#define READY_MS 50

/* Settings that workers may still use. */
struct retired {
	struct config *cfg;
	struct retired *next;
};

struct reporter {
	reload_report_fn *report;
	void *arg;
};

static void pass_on(const struct reporter *to, enum reload_kind kind,
		    const char *text)
{
	if (to->report)
		to->report(to->arg, kind, text);
}

static void on_wrong(void *arg, const char *line)
{
	log_error("reload: %s", line);
	pass_on(arg, RELOAD_WRONG, line);
}

static void on_applied(void *arg, const char *key)
{
	log_notice("reload: %s changed", key);
	pass_on(arg, RELOAD_APPLIED, key);
}

static void on_restart(void *arg, const char *key)
{
	log_warning("reload: %s changed in the file; it needs a restart", key);
	pass_on(arg, RELOAD_RESTART, key);
}

/*
 * %H or %m in a setting that did not change: names of files begin or end
 * differently all the same.
 */
static unsigned report_name(const char *key, const char *old_setting,
			    const char *new_setting, const char *old,
			    const char *new, const struct reporter *to)
{
	if (strcmp(old_setting, new_setting) || !strcmp(old, new))
		return 0;
	log_notice("reload: the host name or the machine id has changed: %s is "
		   "now %s, and was %s",
		   key, new, old);
	pass_on(to, RELOAD_APPLIED, key);
	return 1;
}

static unsigned report_host(const struct config *old, const struct config *new,
			    const struct reporter *to)
{
	return report_name("files.prefix", old->files_prefix, new->files_prefix,
			   old->prefix, new->prefix, to) +
	       report_name("files.suffix", old->files_suffix, new->files_suffix,
			   old->suffix, new->suffix, to);
}

static void use(struct reload *r, struct config *cfg, struct retired *slot)
{
	assert(r->cfg && cfg);
	slot->cfg = r->cfg;
	slot->next = r->retired;
	r->retired = slot;
	r->cfg = cfg;
	log_set_level(cfg->log_level);
	listener_configure(r->listener, cfg);
	workers_configure(r->workers, cfg);
}

static int read_again(struct reload *r, struct reporter *to)
{
	struct config *new, *merged;
	struct retired *slot;
	unsigned changed;
	int err;

	/* The default file may have been created since the start. */
	if (!r->file)
		r->file = arguments_default_file();
	err = config_load_again(r->file, r->options, r->noptions, on_wrong, to,
				&new);
	if (err) {
		log_error("reload: the settings stay as they are");
		return err;
	}
	slot = malloc(sizeof(*slot));
	merged = config_merge(r->cfg, new);
	if (slot && merged) {
		changed = config_diff(r->cfg, new, on_applied, on_restart, to) +
			  report_host(r->cfg, new, to);
		if (!changed)
			log_notice("reload: no setting changed");
		use(r, merged, slot);
	} else {
		log_error("reload: out of memory; the settings stay as they "
			  "are");
		free(slot);
		config_free(merged);
		err = -ENOMEM;
	}
	config_free(new);
	return err;
}

int reload_run(struct reload *r, reload_report_fn *report, void *arg)
{
	struct reporter to = { report, arg };
	int err;

	systemd_reloading();
	err = read_again(r, &to);
	/* Without this the unit would be reloading until its timeout. */
	systemd_insist(READY_MS, "READY=1");
	return err;
}

static void free_retired(struct reload *r)
{
	struct retired *old;

	while ((old = r->retired)) {
		r->retired = old->next;
		config_free(old->cfg);
		free(old);
	}
}

void reload_settle(struct reload *r)
{
	if (r->retired && workers_settled(r->workers))
		free_retired(r);
}

void reload_close(struct reload *r)
{
	free_retired(r);
	config_free(r->cfg);
	r->cfg = NULL;
}
