/* SPDX-License-Identifier: MIT */
/*
 * The directory of unfinished files, files.temp.  Whoever may make or rename
 * files there decides what becomes a final file (I1), so the daemon uses it
 * only while it is the daemon's alone: a directory of the daemon's user, no
 * symbolic link, and writable for nobody else.  That is checked whenever it is
 * opened, because its parent may be a directory of everybody, such as /tmp,
 * where another user can lay one after the daemon's was removed.
 *
 * Any thread.
 */
#ifndef BUFWRITER_TEMP_DIR_H
#define BUFWRITER_TEMP_DIR_H

#include <stdbool.h>

#include "conf/config.h"

/*
 * The directory, open; made with mode 0700 if it is missing and `make` is
 * true.  The caller closes it.  A descriptor, or -errno.
 */
int temp_dir_open(const char *path, bool make);
/* The same, but only whether it can be opened: 0 or -errno. */
int temp_dir_check(const char *path, bool make);
/* Does this error of the two say that it is not the daemon's alone? */
bool temp_dir_is_foreign(int err);

/*
 * Can unfinished files be in cfg->temp?  Makes the directory if it is missing.
 * 0; 1: no, and `why` says why not; -errno: the setting files.temp is wrong,
 * and *op is the operation that failed.
 */
int temp_dir_probe(const struct config *cfg, const char **op, char why[128]);
/* Is cfg->temp inside cfg->files_path, where a copy of that takes it along? */
bool temp_dir_is_inside(const struct config *cfg);

/*
 * Removes the directory in which earlier versions had unfinished files, .tmp
 * inside files.path, if the daemon made it and it is empty.
 */
void temp_dir_remove_former(const struct config *cfg);

#endif
