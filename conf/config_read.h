/* SPDX-License-Identifier: MIT */
/*
 * From a settings file and -o options to values.
 */
#ifndef BUFWRITER_CONFIG_READ_H
#define BUFWRITER_CONFIG_READ_H

#include "conf/loader.h"

/* Reads load->problems.file and reports what is wrong with it. */
void config_read_file(struct loader *load);

/* Reads one SECTION.KEY=VALUE and reports what is wrong with it. */
void config_read_option(struct loader *load, const char *option);

#endif
