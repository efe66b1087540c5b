/* SPDX-License-Identifier: MIT */
/*
 * Every name that the daemon or `bufwriter ship` makes for a setting that is a
 * path, written from the manual.  test_config_names.c holds the check of
 * settings to this list, and test_derived.c holds the list to what a daemon
 * really makes.
 */
#ifndef BUFWRITER_TEST_DERIVED_H
#define BUFWRITER_TEST_DERIVED_H

#include <stdbool.h>

struct derived {
	const char *key;
	/* For a setting STEM<given>, the name is STEM<made>. */
	const char *given, *made;
	bool numbered;	    /* a number follows */
	const char *unless; /* it is made unless this setting is given */
	bool beside;	    /* the name is <made> in the setting's directory */
};

#define DERIVED 29
extern const struct derived derived[DERIVED];

#endif
