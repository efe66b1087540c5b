/* SPDX-License-Identifier: MIT */
/*
 * The texts of a struct config that follow from the settings: prefix, suffix,
 * temp, lanes, instance and file.
 */
#ifndef BUFWRITER_CONFIG_DERIVE_H
#define BUFWRITER_CONFIG_DERIVE_H

#include "conf/loader.h"

/* Sets them, and reports settings that contradict each other. */
void config_derive(struct loader *load);

/*
 * Sets them in `cfg`, the merger of `old` and `new`.  0, or -ENOMEM with some
 * of them set.
 */
int config_derive_merge(struct config *cfg, const struct config *old,
			const struct config *new);

void config_derive_clear(struct config *cfg);

#endif
