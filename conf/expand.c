/* SPDX-License-Identifier: MIT */
/* See expand.h. */
#include "conf/expand.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/machine_id.h"

void expand_clean(char *text)
{
	for (; *text; text++)
		if (*text == '/' || iscntrl((unsigned char)*text))
			*text = '_';
}

static void host_name(char *out, size_t room)
{
	if (gethostname(out, room) < 0)
		snprintf(out, room, "localhost");
	out[room - 1] = '\0';
	expand_clean(out);
}

/* What the % words stand for. */
struct words {
	char host[256];
	const char *instance;
	char machine[MACHINE_ID];
	int machine_err; /* 0, or -errno of machine_id_read() */
};

/* NULL: unknown, or %m without a machine id. */
static const char *percent_word(char c, struct words *words)
{
	switch (c) {
	case 'H':
		return words->host;
	case 'i':
		return words->instance;
	case 'm':
		words->machine_err = machine_id_read(MACHINE_ID_FILE,
						     words->machine);
		return words->machine_err ? NULL : words->machine;
	case '%':
		return "%";
	default:
		return NULL;
	}
}

/* `at` is what follows the % sign. */
static void explain(char wrong[EXPAND_WRONG], const char *at,
		    const struct words *words)
{
	int err = words->machine_err;

	if (*at == 'm')
		snprintf(wrong, EXPAND_WRONG,
			 "\"%%m\" needs the machine id, and %s %s%s; allowed: "
			 "%%H host name in its place, or a file that "
			 "'systemd-machine-id-setup' has made",
			 MACHINE_ID_FILE,
			 err == -EINVAL ? "holds none" : "cannot be read: ",
			 err == -EINVAL ? "" : strerror(-err));
	else
		snprintf(wrong, EXPAND_WRONG,
			 "\"%%%.1s\" is unknown; allowed: %%H host name, %%i "
			 "instance, %%m machine id, %%%% a percent sign",
			 at);
}

char *expand_words(const char *text, const char *instance,
		   char wrong[EXPAND_WRONG])
{
	struct words words = { .instance = instance };
	const char *word;
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);

	*wrong = '\0';
	if (!to)
		return NULL;
	host_name(words.host, sizeof(words.host));
	for (; *text; text++) {
		if (*text != '%') {
			fputc(*text, to);
			continue;
		}
		word = percent_word(*++text, &words);
		if (!word) {
			explain(wrong, text, &words);
			break;
		}
		fputs(word, to);
	}
	if (fclose(to) || *wrong) {
		free(out);
		return NULL;
	}
	return out;
}
