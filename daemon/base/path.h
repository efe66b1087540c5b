/* SPDX-License-Identifier: MIT */
#ifndef BUFWRITER_PATH_H
#define BUFWRITER_PATH_H

/*
 * Makes the directory of an absolute path, mode 0755, if only that is
 * missing, as /run/bufwriter is without systemd.  What fails here is reported
 * by whoever then opens the path.
 */
void path_make_parent(const char *path);

#endif
