/* SPDX-License-Identifier: MIT */
/*
 * The check that no two settings lead to one file.
 */
#ifndef BUFWRITER_CONFIG_NAMES_H
#define BUFWRITER_CONFIG_NAMES_H

#include "conf/loader.h"

/*
 * Reports two settings that name the same path, or a name that the daemon
 * derives from a setting and that another one means.  After config_derive() has
 * made the path of unfinished files.
 */
void config_names_check(struct loader *load);

#endif
