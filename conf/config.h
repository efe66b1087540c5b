/* SPDX-License-Identifier: MIT */
/*
 * Settings: an ini file and -o options become one struct that never changes.
 *
 * A struct config is constant from the moment that config_load() returns it,
 * so any thread may read it.  A reload makes a new one.
 */
#ifndef BUFWRITER_CONFIG_H
#define BUFWRITER_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include "conf/config_struct.h"

/* Takes one problem or one difference; the line ends in no newline. */
typedef void config_report_fn(void *arg, const char *line);

/*
 * Reads FILE (NULL: defaults only) and then noptions texts of the form
 * SECTION.KEY=VALUE, which win over the file.  Reports every problem as
 * one line `FILE:LINE: section.key: what is wrong, what is allowed`
 * (`-o:` in place of FILE:LINE for an option).
 * Returns 0 and a new struct in *out, which the caller frees with
 * config_free(), or -EINVAL after at least one report, or -ENOMEM.
 * Any thread.
 */
int config_load(const char *file, const char *const *options, size_t noptions,
		config_report_fn *report, void *arg, struct config **out);

/*
 * The same for a daemon that runs: it must not wait, and a pipe or a device
 * gives its text only once, so that anything but a regular file is a problem.
 */
int config_load_again(const char *file, const char *const *options,
		      size_t noptions, config_report_fn *report, void *arg,
		      struct config **out);

/* cfg may be NULL. */
void config_free(struct config *cfg);

/* Writes the settings as a settings file that would produce them. */
void config_print(const struct config *cfg, FILE *to);

/*
 * Compares two settings.  Reports each key that differs by its name,
 * `section.key`, to `applied` if a reload applies it and to `restart` if it
 * needs a restart.  Returns the number of differences.  Keys that only
 * `bufwriter ship` uses are no difference.
 */
unsigned config_diff(const struct config *old, const struct config *new,
		     config_report_fn *applied, config_report_fn *restart,
		     void *arg);

/*
 * Returns a copy of `old` in which every reloadable key has the value of
 * `new`: what the daemon runs with after a reload.  NULL without memory.
 */
struct config *config_merge(const struct config *old, const struct config *new);

/* The words that a settings file has for these values. */
const char *config_framing_word(enum config_framing framing);
const char *config_sync_word(enum config_sync sync);
const char *config_level_word(enum config_level level);

#endif
