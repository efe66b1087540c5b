/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter send`: reads the command line, opens the inputs, and connects the
 * three parts that do the work:
 *
 *	split	cuts the input into messages
 *	deliver	hands a message to the daemon and waits if it must
 *	outcome	counts, shows progress, ends with a summary and exit status
 *
 * Each part has a struct and a header of its own.  split calls deliver, both
 * call outcome, and outcome calls neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/deliver.h"
#include "client/command/outcome.h"
#include "client/command/split.h"
#include "client/library/bufwriter.h"

struct source {
	const char *name;
	int fd;
};

struct options {
	enum split_mode mode;
	bool quiet;
	bool answer;
	int timeout_ms; /* or BW_FOREVER */
	const char *socket;
	struct source *sources;
	int nsources;
	/* the arguments behind the options are messages */
	char **messages;
	int nmessages;
};

struct send {
	struct outcome outcome;
	struct deliver deliver;
	struct split split;
};

static const struct option long_options[] = {
	{ "null", no_argument, NULL, '0' },
	{ "answer", no_argument, NULL, 'a' },
	{ "file", required_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "length", no_argument, NULL, 'l' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "socket", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' },
	{ "version", no_argument, NULL, 'V' },
	{ "whole", no_argument, NULL, 'w' },
	{ NULL, 0, NULL, 0 },
};

static int help(void)
{
	puts("Usage: bufwriter send [OPTION]... [--] [MESSAGE]...\n"
	     "Sends each MESSAGE to bufwriterd.  Without a MESSAGE, sends each "
	     "line of\n"
	     "standard input.\n"
	     "\n"
	     "  -f, --file FILE         read FILE instead of standard input; "
	     "'-' is standard\n"
	     "                          input; may be given more than once\n"
	     "  -0, --null              messages in the input end with NUL "
	     "instead of newline\n"
	     "  -l, --length            each message in the input follows its "
	     "length, 4 bytes\n"
	     "                          little-endian\n"
	     "  -w, --whole             send the whole input as one message\n"
	     "  -a, --answer            print on standard output what became of "
	     "the messages\n"
	     "  -t, --timeout DURATION  how long a message may wait to be sent: "
	     "0, 50ms, 10s,\n"
	     "                          never (default 100ms)\n"
	     "  -s, --socket PATH       the daemon's socket\n"
	     "                          (default $BUFWRITER_SOCKET or "
	     "/run/bufwriter.sock)\n"
	     "  -q, --quiet             print no progress and no summary\n"
	     "  -h, --help              show this help\n"
	     "  -V, --version           show the version\n"
	     "\n"
	     "The exit status is 0 if every message was sent.  Otherwise it is "
	     "64 for a wrong\n"
	     "command line, 65 for a message that is too large, 66 if an input "
	     "cannot be\n"
	     "opened, 69 if no daemon listens, 75 after a timeout, 77 if the "
	     "user is not\n"
	     "permitted, 130 after ^C; see bufwriter(1).");
	return cmd_output("send");
}

/* Returns -1 to go on, or an exit status. */
static int mode_take(struct options *opt, enum split_mode mode)
{
	if (opt->mode != SPLIT_LINES && opt->mode != mode)
		return cmd_misuse("send", "--null, --length and --whole cannot "
					  "be combined");
	opt->mode = mode;
	return -1;
}

/* Returns -1 to go on, or an exit status. */
static int option_take(struct options *opt, char **argv, int c)
{
	switch (c) {
	case '0':
		return mode_take(opt, SPLIT_NULL);
	case 'l':
		return mode_take(opt, SPLIT_LENGTH);
	case 'w':
		return mode_take(opt, SPLIT_WHOLE);
	case 'a':
		opt->answer = true;
		return -1;
	case 'f':
		opt->sources[opt->nsources++].name = optarg;
		return -1;
	case 'h':
		return help();
	case 'q':
		opt->quiet = true;
		return -1;
	case 's':
		if (!*optarg)
			return cmd_misuse("send", "the socket path is empty");
		opt->socket = optarg;
		return -1;
	case 't':
		if (!cmd_parse_ms(optarg, &opt->timeout_ms))
			return -1;
		return cmd_misuse("send",
				  "'%s' is not a timeout; " CMD_DURATIONS,
				  optarg);
	case 'V':
		return cmd_version("send");
	default:
		return cmd_bad_option("send", argv, c);
	}
}

/* Returns -1 to go on, or an exit status. */
static int options_read(struct options *opt, int argc, char **argv)
{
	int status;
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":0af:hlqs:t:Vw", long_options,
				NULL)) != -1) {
		status = option_take(opt, argv, c);
		if (status >= 0)
			return status;
	}
	opt->messages = argv + optind;
	opt->nmessages = argc - optind;
	if (opt->nmessages && opt->nsources)
		return cmd_misuse("send", "give either messages or "
					  "--file, not both");
	if (opt->nmessages && opt->mode != SPLIT_LINES)
		return cmd_misuse("send", "--null, --length and --whole apply "
					  "to input, not to messages "
					  "given as arguments");
	if (!opt->nmessages && !opt->nsources)
		opt->sources[opt->nsources++].name = "-";
	return -1;
}

static int source_open(struct send *s, struct source *source)
{
	struct stat st;

	if (!strcmp(source->name, "-")) {
		source->name = "standard input";
		source->fd = STDIN_FILENO;
	} else {
		source->fd = open(source->name, O_RDONLY | O_CLOEXEC);
	}
	if (source->fd < 0 || fstat(source->fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode))
		outcome_expect(&s->outcome, st.st_size);
	return 0;
}

/*
 * Opens all inputs before the first message is sent, so that a misspelt name
 * does not leave half of the input sent.
 */
static int sources_open(struct send *s, const struct options *opt)
{
	int ret = 0;
	int err;
	int i;

	for (i = 0; i < opt->nsources; i++) {
		err = source_open(s, &opt->sources[i]);
		if (err) {
			outcome_failed(&s->outcome, opt->sources[i].name, err,
				       EX_NOINPUT);
			ret = err;
		}
	}
	return ret;
}

static void send_sources(struct send *s, const struct options *opt)
{
	const bool whole = opt->mode == SPLIT_WHOLE;
	struct source *source;
	int err;
	int i;

	if (whole)
		split_begin(&s->split);
	for (i = 0; i < opt->nsources; i++) {
		source = &opt->sources[i];
		outcome_input(&s->outcome, source->name);
		if (!whole)
			split_begin(&s->split);
		err = split_read(&s->split, source->fd);
		if (err < 0)
			outcome_failed(&s->outcome, source->name, err,
				       EX_IOERR);
		/* A message that was cut off is not sent. */
		if (err > 0 || (err < 0 && whole))
			return;
		if (!err && !whole)
			err = split_end(&s->split);
		if (err == -EBADMSG)
			outcome_failed(&s->outcome, source->name, err,
				       EX_IOERR);
		if (err > 0)
			return;
		outcome_decided(&s->outcome, s->split.number);
	}
	if (whole) {
		outcome_input(&s->outcome, "input");
		if (split_end(&s->split) <= 0)
			outcome_decided(&s->outcome, 1); /* one message */
	}
}

static void send_messages(struct send *s, const struct options *opt)
{
	const char *message;
	int i;

	outcome_input(&s->outcome, "argument");
	for (i = 0; i < opt->nmessages; i++) {
		message = opt->messages[i];
		if (deliver_message(&s->deliver, message, strlen(message),
				    i + 1))
			return;
	}
	outcome_decided(&s->outcome, opt->nmessages);
}

/* The path that the library would choose; explanations name it. */
static const char *socket_path(const char *given)
{
	const char *path = secure_getenv("BUFWRITER_SOCKET");

	if (given)
		return given;
	return path && *path ? path : BW_SOCKET;
}

static int send_all(struct send *s, const struct options *opt)
{
	const char *socket = socket_path(opt->socket);
	int err;

	outcome_init(&s->outcome, socket, opt->quiet);
	split_init(&s->split, opt->mode, &s->deliver, &s->outcome);
	if (sources_open(s, opt))
		return EX_NOINPUT;
	err = deliver_open(&s->deliver, &s->outcome, socket, opt->timeout_ms);
	if (err) {
		fprintf(stderr, "bufwriter send: %s: %s\n", socket,
			bw_strerror(err));
		return err == BW_PATH_TOO_LONG ? EX_USAGE : EX_OSERR;
	}
	outcome_start(&s->outcome, opt->answer);
	if (opt->nmessages)
		send_messages(s, opt);
	else
		send_sources(s, opt);
	deliver_close(&s->deliver);
	return outcome_end(&s->outcome, deliver_signal(&s->deliver));
}

int cmd_send(int argc, char **argv)
{
	struct options opt = { .timeout_ms = BW_DEFAULT_TIMEOUT };
	struct send s;
	int status;

	/* Each source takes at least one argument, and one may be implied. */
	opt.sources = calloc(argc + 1, sizeof(*opt.sources));
	if (!opt.sources) {
		fprintf(stderr, "bufwriter send: out of memory\n");
		return EX_OSERR;
	}
	status = options_read(&opt, argc, argv);
	if (status < 0)
		status = send_all(&s, &opt);
	free(opt.sources);
	return status;
}
