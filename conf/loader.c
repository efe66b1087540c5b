/* SPDX-License-Identifier: MIT */
/*
 * Puts values into the struct config that is being loaded.
 */
#include "conf/loader.h"

#include <assert.h>

static void store(struct loader *load, const struct setting *set,
		  const char *text, uint64_t number)
{
	if (!value_is_text(set->type))
		setting_set_number(set, load->cfg, number);
	else if (setting_set_text(set, load->cfg, text) < 0)
		load->out_of_memory = true;
}

void loader_set_defaults(struct loader *load)
{
	const struct setting *set;
	char why[SETTING_WRONG];
	uint64_t number;
	int err;

	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		err = setting_parse(set, set->default_text, &number, why);
		/* the table is sane: min <= default <= max */
		assert(!err);
		store(load, set, set->default_text, number);
	}
}

void loader_set(struct loader *load, const struct setting *set, unsigned line,
		const char *value)
{
	unsigned *given = &load->line[set - setting_table];
	char why[SETTING_WRONG];
	uint64_t number;

	if (line != PROBLEM_OPTION && *given != PROBLEM_NO_LINE) {
		problem_add(&load->problems, line, set->name,
			    "given twice; the first is in line %u", *given);
		return;
	}
	*given = line;
	if (setting_parse(set, value, &number, why) < 0)
		loader_problem(load, set, why);
	else
		store(load, set, value, number);
}

unsigned loader_line(const struct loader *load, const struct setting *set)
{
	return load->line[set - setting_table];
}

void loader_problem(struct loader *load, const struct setting *set,
		    const char *text)
{
	problem_add(&load->problems, loader_line(load, set), set->name, "%s",
		    text);
}
