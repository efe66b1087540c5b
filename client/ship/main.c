/* SPDX-License-Identifier: MIT */
/*
 * The program bufwriter-ship, which `bufwriter ship` becomes.  It is a program
 * of its own because it needs libuv and inih, and the other commands start
 * faster without them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/format.h"
#include "client/ship/order.h"
#include "client/ship/say.h"
#include "client/ship/scan.h"
#include "client/ship/shipper.h"
#include "client/ship/verdict.h"
#include "conf/config.h"

#define SETTINGS_FILE "/etc/bufwriter/bufwriter.ini"
/* Names that a dry run shows. */
#define SHOWN 10
#define OPTIONS 64

static const char usage[] =
	"Usage: bufwriter ship [OPTION]...\n"
	"Ships complete files to a centre, as the settings [ship] say; see "
	"bufwriter-ship(1).\n"
	"\n"
	"  -c, --config FILE  settings (default " SETTINGS_FILE ")\n"
	"  -o, --option SECTION.KEY=VALUE\n"
	"                     set one key; may be given more than once\n"
	"  -1, --once         ship what is there now, then end\n"
	"  -n, --dry-run      show what the first run would do, and do nothing\n"
	"  -q, --quiet        print problems only\n"
	"  -h, --help         show this help\n"
	"  -V, --version      show the version\n";

struct arguments {
	const char *file;
	const char *options[OPTIONS];
	size_t noptions;
	bool once, dry_run, quiet;
};

/* --- the command line ---------------------------------------------------- */

static int take_option(struct arguments *a, int letter, char **argv)
{
	switch (letter) {
	case 'c':
		a->file = optarg;
		return -1;
	case 'o':
		if (a->noptions == OPTIONS)
			return cmd_misuse("ship", "more than %d options -o",
					  OPTIONS);
		a->options[a->noptions++] = optarg;
		return -1;
	case '1':
		a->once = true;
		return -1;
	case 'n':
		a->dry_run = true;
		return -1;
	case 'q':
		a->quiet = true;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return cmd_output("ship");
	case 'V':
		return cmd_version("ship");
	default:
		return cmd_bad_option("ship", argv, letter);
	}
}

/* -1 to go on, or an exit status. */
static int read_arguments(struct arguments *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "option", required_argument, NULL, 'o' },
		{ "once", no_argument, NULL, '1' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int letter, status = -1;

	while (status < 0 && (letter = getopt_long(argc, argv, ":c:o:1nqhV",
						   longs, NULL)) != -1)
		status = take_option(a, letter, argv);
	if (status < 0 && optind < argc)
		status = cmd_misuse("ship", "'%s' is not an option",
				    argv[optind]);
	return status;
}

/* --- settings and directory ----------------------------------------------- */

static void report(void *arg, const char *line)
{
	(void)arg;
	say(SAY_ERROR, "%s", line);
}

static struct config *load(const struct arguments *a)
{
	const char *file = a->file;
	struct config *cfg;

	if (!file && !access(SETTINGS_FILE, F_OK))
		file = SETTINGS_FILE;
	if (config_load(file, a->options, a->noptions, report, NULL, &cfg))
		return NULL;
	return cfg;
}

/* The command removes files, so its user must be able to. */
static int open_directory(const char *path, int *status)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = errno;

	if (fd < 0) {
		*status = err == EACCES ? EX_NOPERM : EX_NOINPUT;
		say(SAY_ERROR, "files.path: %s: %s; %s", path, strerror(err),
		    err == EACCES ? "run the shipper as the daemon's user" :
				    "start the daemon's unit, which makes it, "
				    "or set files.path to another one");
		return -1;
	}
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS)) {
		*status = EX_NOPERM;
		say(SAY_ERROR,
		    "files.path: %s: files cannot be removed from it: %s; run "
		    "the shipper as the daemon's user, or see bufwriterd(8)",
		    path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* --- a dry run ------------------------------------------------------------ */

static bool is_plain(const char *word)
{
	return *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
					   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789%+,-./:=@_")];
}

static void print_word(const char *word)
{
	if (is_plain(word)) {
		printf(" %s", word);
		return;
	}
	fputs(" '", stdout);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	}
	putchar('\'');
}

static void print_name(const char *name)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", name);
	verdict_clean(text);
	printf("  %s\n", text);
}

static void print_batch(const struct scan *scan, const struct config *cfg)
{
	uint64_t bytes = 0;
	size_t i, n = 0;

	while (n < scan->n && n < cfg->ship_batch_files &&
	       (!n ||
		bytes + scan->files[n]->bytes <= cfg->ship_batch_bytes_bytes))
		bytes += scan->files[n++]->bytes;
	printf("first run: %zu files, %s\n", n, format_bytes((double)bytes));
	for (i = 0; i < n && i < SHOWN; i++)
		print_name(scan->files[i]->name);
	if (n > SHOWN)
		printf("  and %zu more\n", n - SHOWN);
}

static int dry_run(const struct config *cfg, const struct order *order, int dir)
{
	struct names known;
	struct scan scan = { .dir = dir,
			     .prefix = order->prefix,
			     .known = &known,
			     .room = cfg->ship_batch_files };
	uint64_t left = 0;
	size_t i;

	names_init(&known, 0);
	scan_run(&scan);
	if (scan.err) {
		say(SAY_ERROR, "%s: %s", cfg->files_path, strerror(-scan.err));
		scan_clear(&scan);
		return EX_IOERR;
	}
	printf("command:");
	for (i = 0; i < order->argc; i++)
		print_word(order->argv[i]);
	printf("\nfrom: %s\n", cfg->files_path);
	for (i = 0; i < ODD_REASONS; i++)
		left += scan.odd[i];
	printf("backlog: %" PRIu64 " files, %s, the oldest is %s old\n",
	       scan.total.files, format_bytes((double)scan.total.bytes),
	       format_time(backlog_age(&scan.total)));
	if (left)
		printf("left: %" PRIu64 " other names\n", left);
	print_batch(&scan, cfg);
	scan_clear(&scan);
	return cmd_output("ship");
}

/* --- main ---------------------------------------------------------------- */

static int ship(const struct arguments *a, const struct config *cfg)
{
	struct order order;
	int status = EX_CONFIG;
	int err = order_make(&order, cfg);
	int dir = -1;

	if (err == -EINVAL)
		say(SAY_ERROR, "%s", order.wrong);
	else if (err)
		status = EX_OSERR;
	else
		dir = open_directory(cfg->files_path, &status);
	if (dir >= 0 && a->dry_run)
		status = dry_run(cfg, &order, dir);
	else if (dir >= 0)
		status = shipper_run(&(struct shipper_options){
			.cfg = cfg,
			.order = &order,
			.dir = dir,
			.once = a->once,
		});
	if (dir >= 0)
		close(dir);
	order_free(&order);
	return status;
}

int main(int argc, char **argv)
{
	struct arguments a = { .file = NULL };
	struct config *cfg;
	int status = read_arguments(&a, argc, argv);

	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	say_open(a.quiet);
	cfg = load(&a);
	if (!cfg)
		return EX_CONFIG;
	status = ship(&a, cfg);
	config_free(cfg);
	return status;
}
