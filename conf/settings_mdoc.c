/* SPDX-License-Identifier: MIT */
/*
 * Prints the list of settings in mdoc(7), for bufwriter.ini(5).
 *
 * This is a program of the build and not an option of the daemon: it needs
 * neither libuv nor inih, so the build machine can run it even if the daemon
 * is built for another one, and no user of the daemon wants mdoc.
 */
#include <stdio.h>
#include <string.h>

#include "conf/setting.h"

/* What the key takes, behind its `=`. */
static void print_argument(const struct setting *set)
{
	static const char *const arguments[] = {
		[VALUE_SIZE] = "size",
		[VALUE_DURATION] = "duration",
		[VALUE_PATIENCE] = "duration | Cm never",
		[VALUE_COUNT] = "count",
		[VALUE_MODE] = "mode",
		[VALUE_PATH] = "path",
		[VALUE_SOCKET] = "path",
		[VALUE_SOCKETS] = "path ...",
		[VALUE_NAME] = "text",
		[VALUE_GROUP] = "group",
		[VALUE_TEXT] = "text",
	};
	char words[128];

	if (value_is_word(set->type)) {
		value_words(set->type, " | ", " | ", words, sizeof(words));
		printf("Cm %s\n", words);
	} else {
		printf("Ar %s\n", arguments[set->type]);
	}
}

/* Prints a word of plain text so that mdoc takes nothing in it for markup. */
static void print_word(const char *word, size_t len)
{
	if (*word == '.' || *word == '\'')
		printf("\\&");
	for (; len; len--, word++)
		printf(*word == '\\' ? "\\e" : "%c", *word);
}

/* Prints plain text as mdoc wants it: a sentence begins a line. */
static void print_sentences(const char *text)
{
	size_t column = 0;
	size_t len;

	for (; *text; text += len + (text[len] == ' ')) {
		len = strcspn(text, " ");
		if (column && column + 1 + len > 77) {
			putchar('\n');
			column = 0;
		}
		if (column)
			putchar(' ');
		column += len + 1;
		print_word(text, len);
		if (text[len - 1] == '.' && text[len]) {
			putchar('\n');
			column = 0;
		}
	}
	putchar('\n');
}

static void print_allowed(const struct setting *set)
{
	if (value_is_word(set->type) || set->type == VALUE_GROUP)
		printf(".\n");
	else if (value_is_text(set->type))
		printf(";\nallowed: at most %s bytes.\n", set->max_text);
	else
		printf(";\nallowed: %s to %s.\n", set->min_text, set->max_text);
}

static void print_setting(const struct setting *set)
{
	printf(".It Ic %s No = ", set->key);
	print_argument(set);
	print_sentences(set->doc);
	printf(".br\n");
	if (*set->default_text)
		printf("Default:\n.Ql %s ", set->default_text);
	else
		printf("Default: empty");
	print_allowed(set);
	if (set->reload)
		printf("Applied by a reload.\n");
}

int main(void)
{
	const struct setting *set;

	for (set = setting_table; set < setting_table + SETTINGS; set++) {
		if (setting_begins_section(set))
			printf("%s.Ss Section [%s]\\&\n"
			       ".Bl -tag -width Ds\n",
			       set == setting_table ? "" : ".El\n",
			       set->section);
		print_setting(set);
	}
	printf(".El\n");
	return 0;
}
