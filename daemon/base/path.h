/* SPDX-License-Identifier: MIT */
/* Paths of files that the daemon makes.  Main thread, before others start. */
#ifndef BUFWRITER_PATH_H
#define BUFWRITER_PATH_H

/*
 * Makes the last directory of an absolute path, mode 0755, if it is missing:
 * without systemd nobody made /run/bufwriter.  Reports no failure, because
 * then opening the path fails, too, and the caller reports that.
 */
void path_make_parent(const char *path);

#endif
