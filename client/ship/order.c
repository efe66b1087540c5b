/* SPDX-License-Identifier: MIT */
/* See order.h. */
#include "client/ship/order.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ship/backoff.h"
#include "client/ship/target.h"
#include "conf/expand.h"

/* Words of a command. */
#define WORDS 256

__attribute__((format(printf, 2, 3))) static int wrong(struct order *order,
						       const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(order->wrong, sizeof(order->wrong), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* --- words --------------------------------------------------------------- */

/* Takes over the word; NULL: no memory. */
static int add_word(struct order *order, char *word)
{
	if (!word)
		return -ENOMEM;
	if (order->argc + 1 >= WORDS) {
		free(word);
		return wrong(order, "ship.command has more than %d words",
			     WORDS - 1);
	}
	order->argv[order->argc++] = word;
	return 0;
}

__attribute__((format(printf, 2, 3))) static int add(struct order *order,
						     const char *fmt, ...)
{
	char *word;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&word, fmt, args);
	va_end(args);
	return add_word(order, n < 0 ? NULL : word);
}

static int expand(struct order *order, const char *key, const char *text,
		  const struct config *cfg, char **out)
{
	char why[EXPAND_WRONG];

	*out = expand_words(text, cfg->instance, why);
	if (!*out && *why)
		return wrong(order, "ship.%s: %s%s", key, why,
			     strcmp(key, "command") ?
				     "" :
				     ", %s files.path, %d destination");
	return *out ? 0 : -ENOMEM;
}

/*
 * Copies a text into another, so that expand_words() leaves it as it is.
 */
static void put_plain(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '%')
			fputc('%', to);
		fputc(*text, to);
	}
}

/* One word of ship.command: %s and %d first, then what all settings have. */
static int add_expanded(struct order *order, const struct config *cfg,
			const char *text)
{
	char *plain = NULL, *word;
	size_t size;
	FILE *to = open_memstream(&plain, &size);
	int err;

	if (!to)
		return -ENOMEM;
	for (; *text; text++) {
		if (*text == '%' && text[1] == 's')
			put_plain(to, cfg->files_path);
		else if (*text == '%' && text[1] == 'd')
			put_plain(to, order->destination);
		else {
			fputc(*text, to);
			if (*text != '%' || !text[1])
				continue;
			fputc(text[1], to);
		}
		text++;
	}
	if (fclose(to)) {
		free(plain);
		return -ENOMEM;
	}
	err = expand(order, "command", plain, cfg, &word);
	free(plain);
	return err ? err : add_word(order, word);
}

/*
 * Reads one word as a shell would: white space ends it, quotes and a backslash
 * keep white space in it.  Returns where the next one begins, or NULL.
 */
static const char *read_word(const char *text, char *out)
{
	char quote = '\0';

	for (; *text && (quote || !isspace((unsigned char)*text)); text++) {
		if (quote == *text)
			quote = '\0';
		else if (!quote && (*text == '"' || *text == '\''))
			quote = *text;
		else if (quote != '\'' && *text == '\\' && text[1])
			*out++ = *++text;
		else
			*out++ = *text;
	}
	*out = '\0';
	if (quote)
		return NULL;
	return text + strspn(text, " \t");
}

static int own_command(struct order *order, const struct config *cfg)
{
	const char *text = cfg->ship_command;
	char *word = malloc(strlen(text) + 1);
	int err = word ? 0 : -ENOMEM;

	while (!err && *text) {
		text = read_word(text, word);
		if (!text) {
			err = wrong(order,
				    "ship.command: a quote has no end; a word "
				    "with spaces has quotes on both sides");
			break;
		}
		err = add_expanded(order, cfg, word);
	}
	free(word);
	return err;
}

/* --- rsync --------------------------------------------------------------- */

/* A credential of the unit, or NULL: it may be there and empty. */
static const char *credential(const char *name, char *out, size_t room)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	struct stat st;

	if (!dir)
		return NULL;
	snprintf(out, room, "%s/%s", dir, name);
	return !stat(out, &st) && st.st_size > 1 ? out : NULL;
}

/* Nobody is there to answer a question, so ssh must not ask one. */
static int add_ssh(struct order *order)
{
	char key[512], hosts[512];
	bool has_key = credential("key", key, sizeof(key));
	bool has_hosts = credential("known_hosts", hosts, sizeof(hosts));

	if (getenv("RSYNC_RSH"))
		return 0;
	return add(order,
		   "--rsh=ssh -oBatchMode=yes -oConnectTimeout=20 "
		   "-oServerAliveInterval=20%s%s%s%s%s",
		   has_key ? " -oIdentitiesOnly=yes -i " : "",
		   has_key ? key : "",
		   has_hosts ? " -oUserKnownHostsFile=" : "",
		   has_hosts ? hosts : "",
		   has_hosts ? " -oStrictHostKeyChecking=yes" : "");
}

static int add_daemon(struct order *order)
{
	char password[512];
	int err = add(order, "--contimeout=20");

	if (!err)
		err = add(order, "--sockopts=TCP_NODELAY");
	if (!err && credential("password", password, sizeof(password)))
		err = add(order, "--password-file=%s", password);
	return err;
}

/*
 * Two hosts may have one name, and so may their files.  A file that another one
 * of its name would replace keeps its content under a name with this suffix.
 * No other shipper has the suffix, so no third file replaces that one.  A file
 * counts as one that has arrived only if size and time are the same, the time
 * to the nanosecond; rrsync(1) refuses the option for that.
 */
static int keep_apart(struct order *order, enum target kind)
{
	int err = add(order, "--backup");

	if (!err)
		err = add(order, "--suffix=.%08" PRIx32 "~", backoff_random());
	if (!err && kind != TARGET_SSH)
		err = add(order, "--modify-window=-1");
	return err;
}

static int rsync_command(struct order *order)
{
	static const char *const first[] = {
		"rsync",   "-a",	   "--whole-file",
		"--fsync", "--timeout=60", "--remove-source-files",
	};
	enum target kind = target_kind(order->destination);
	char done[1024];
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(first) / sizeof(first[0]); i++)
		err = add(order, "%s", first[i]);
	if (!err)
		err = keep_apart(order, kind);
	if (!err && kind == TARGET_DAEMON)
		err = add_daemon(order);
	if (!err && kind == TARGET_SSH)
		err = add_ssh(order);
	if (!err && target_done(order->destination, done, sizeof(done)))
		err = add(order, "--compare-dest=%s", done);
	if (!err)
		err = add(order, "--from0");
	if (!err)
		err = add(order, "--files-from=-");
	if (!err)
		err = add(order, "./");
	return err ? err : add(order, "%s", order->destination);
}

/* --- may two hosts use one name? ------------------------------------------ */

/* Host names that a host has before somebody gives it one. */
static bool is_usual_name(const char *host)
{
	static const char *const usual[] = { "", "localhost", "(none)",
					     "localhost.localdomain" };
	size_t i;

	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (!strcmp(host, usual[i]))
			return true;
	return false;
}

static bool has_word(const char *text, char word)
{
	for (; (text = strchr(text, '%')) && text[1]; text += 2)
		if (text[1] == word)
			return true;
	return false;
}

/* The text tells hosts apart: by %m or %H, or by the name written out. */
static bool tells(const char *text, const char *host)
{
	bool is_usual = is_usual_name(host);

	return has_word(text, 'm') || (has_word(text, 'H') && !is_usual) ||
	       (!is_usual && strstr(text, host));
}

static int check_collisions(struct order *order, const struct config *cfg)
{
	const char *where = cfg->ship_destination;
	char host[256] = "";
	int len;

	(void)gethostname(host, sizeof(host) - 1);
	order->prefix = "";
	if (tells(cfg->ship_destination, host) ||
	    tells(cfg->ship_command, host))
		return 0;
	if (tells(cfg->files_prefix, host)) {
		order->prefix = cfg->prefix;
		return 0;
	}
	if (has_word(cfg->ship_destination, 'H') ||
	    has_word(cfg->files_prefix, 'H'))
		return wrong(order,
			     "this host's name is \"%s\", which other hosts "
			     "have, too, so files of two hosts could have one "
			     "name at the centre; give the host a name of its "
			     "own, or put %%m, the machine id, in place of %%H",
			     host);
	if (!*where)
		where = "centre:/in";
	len = (int)strlen(where);
	len -= where[len - 1] == '/';
	return wrong(
		order,
		"files of two hosts could have one name at the centre; "
		"put %%H, the host's name, or %%m, the machine id, into "
		"ship.destination (such as %.*s/%%H/) or into files.prefix",
		len, where);
}

/* --- all of it ------------------------------------------------------------ */

int order_make(struct order *order, const struct config *cfg)
{
	int err;

	*order = (struct order){ .argv = calloc(WORDS, sizeof(char *)) };
	if (!order->argv)
		return -ENOMEM;
	if (!*cfg->ship_destination && !*cfg->ship_command)
		return wrong(
			order,
			"ship.destination is not set; set it to where the "
			"files go, such as rsync://centre/bufwriter/in/%%H/");
	/* an unknown % word is the nearer cause */
	err = expand(order, "destination", cfg->ship_destination, cfg,
		     &order->destination);
	if (!err)
		err = check_collisions(order, cfg);
	if (err)
		return err;
	return *cfg->ship_command ? own_command(order, cfg) :
				    rsync_command(order);
}

void order_free(struct order *order)
{
	size_t i;

	for (i = 0; i < order->argc; i++)
		free(order->argv[i]);
	free(order->argv);
	free(order->destination);
}
