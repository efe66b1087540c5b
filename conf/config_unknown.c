/* SPDX-License-Identifier: MIT */
/*
 * Names that are not in the table: finds a near one, or lists those that are
 * allowed.
 */
#include "conf/config_unknown.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "conf/setting.h"

/* Names of this length or more are far from every name of the table. */
#define DISTANCE_MAX 32

/* Levenshtein's distance, without regard to case. */
static size_t distance(const char *a, const char *b)
{
	size_t row[DISTANCE_MAX];
	size_t na = strlen(a);
	size_t nb = strlen(b);
	size_t i, j, best, corner;

	if (na >= DISTANCE_MAX || nb >= DISTANCE_MAX)
		return DISTANCE_MAX;
	for (j = 0; j <= nb; j++)
		row[j] = j;
	for (i = 1; i <= na; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= nb; j++) {
			best = corner + (tolower((unsigned char)a[i - 1]) !=
					 tolower((unsigned char)b[j - 1]));
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = row[j];
			row[j] = best;
		}
	}
	return row[nb];
}

static bool is_near(const char *given, const char *known)
{
	size_t len = strlen(given);

	if (len >= 3 && !strncasecmp(given, known, len))
		return true;
	return distance(given, known) <= (strlen(known) + 2) / 4;
}

/* Appends `open` word `close` to a list that has room for the whole table. */
static void list(char *out, size_t room, const char *open, const char *word,
		 const char *close)
{
	size_t used = strlen(out);

	snprintf(out + used, room - used, "%s%s%s%s", used ? ", " : "", open,
		 word, close);
}

void config_unknown_section(struct problems *problems, unsigned line,
			    const char *section)
{
	const struct setting *set;
	char shown[CONFIG_NAME_SHOWN + 3];
	char known[256] = "";

	snprintf(shown, sizeof(shown), "[%.*s]", CONFIG_NAME_SHOWN, section);
	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		if (!setting_begins_section(set))
			continue;
		if (is_near(section, set->section)) {
			problem_add(problems, line, shown,
				    "unknown section, did you mean [%s]?",
				    set->section);
			return;
		}
		list(known, sizeof(known), "[", set->section, "]");
	}
	problem_add(problems, line, shown, "unknown section; allowed: %s",
		    known);
}

/* The sections that have this key, or "". */
static void list_sections(const char *key, char *out, size_t room)
{
	const struct setting *set;

	*out = '\0';
	for (set = setting_table; set < setting_table + SETTINGS; set++)
		if (!strcmp(set->key, key))
			list(out, room, "[", set->section, "]");
}

void config_unknown_key(struct problems *problems, unsigned line,
			const char *section, const char *key)
{
	const struct setting *set;
	char name[2 * CONFIG_NAME_SHOWN];
	char keys[512] = "";
	char elsewhere[128];

	snprintf(name, sizeof(name), "%s.%.*s", section, CONFIG_NAME_SHOWN,
		 key);
	list_sections(key, elsewhere, sizeof(elsewhere));
	if (*elsewhere) {
		problem_add(problems, line, name,
			    "unknown key in this section; %s is a key of %s",
			    key, elsewhere);
		return;
	}
	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		if (strcmp(set->section, section))
			continue;
		if (is_near(key, set->key)) {
			problem_add(problems, line, name,
				    "unknown key, did you mean %s?", set->key);
			return;
		}
		list(keys, sizeof(keys), "", set->key, "");
	}
	problem_add(problems, line, name, "unknown key; allowed in [%s]: %s",
		    section, keys);
}
