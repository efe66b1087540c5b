/* SPDX-License-Identifier: MIT */
/*
 * `bufwriter cat`: writes the messages of complete files to standard output.
 *
 * Nothing of a file that is not whole is written: each file is read twice, and
 * its messages are written the second time.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/command/cmd.h"
#include "client/command/framing.h"
#include "client/command/unpack.h"

struct cat {
	struct framing framing;
	enum framing_in in; /* what the command line says */
	int fd;
	bool writes; /* the second time */
};

static const struct option long_options[] = {
	{ "null", no_argument, NULL, '0' },
	{ "framing", required_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "length", no_argument, NULL, 'l' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int help(void)
{
	puts("Usage: bufwriter cat [OPTION]... FILE...\n"
	     "Writes the messages of complete files to standard output, one a "
	     "line.  A FILE\n"
	     "whose name ends in .zst is decompressed.  Nothing of a FILE that "
	     "is not whole is\n"
	     "written.\n"
	     "\n"
	     "  -f, --framing FRAMING  how messages are framed in FILE: "
	     "newline, length or none;\n"
	     "                         default: length if all of FILE reads "
	     "so, else newline\n"
	     "  -0, --null             end each message with NUL instead of "
	     "newline\n"
	     "  -l, --length           write 4 bytes before each message: its "
	     "length, the lowest\n"
	     "                         byte first\n"
	     "  -h, --help             show this help\n"
	     "  -V, --version          show the version\n"
	     "\n"
	     "The exit status is 0 if every FILE was written.  Otherwise it is "
	     "64 for a wrong\n"
	     "command line, 65 for a FILE that is not whole, 66 if one cannot "
	     "be opened, 69 if\n"
	     "this command has no libzstd, 74 for an error while reading or "
	     "writing.");
	return cmd_output("cat");
}

static int take_framing(struct cat *c, const char *word)
{
	if (!strcmp(word, "newline"))
		c->in = FRAMING_IN_NEWLINE;
	else if (!strcmp(word, "length"))
		c->in = FRAMING_IN_LENGTH;
	else if (!strcmp(word, "none"))
		c->in = FRAMING_IN_NONE;
	else
		return cmd_misuse("cat",
				  "framing '%s' is unknown; allowed: newline, "
				  "length or none",
				  word);
	return -1;
}

/* Returns -1 to go on, or an exit status. */
static int take_option(struct cat *c, char **argv, int letter)
{
	enum framing_out out;

	switch (letter) {
	case '0':
	case 'l':
		out = letter == '0' ? FRAMING_OUT_NULL : FRAMING_OUT_LENGTH;
		if (c->framing.out != FRAMING_OUT_LINES &&
		    c->framing.out != out)
			return cmd_misuse("cat", "--null and --length cannot "
						 "be combined");
		c->framing.out = out;
		return -1;
	case 'f':
		return take_framing(c, optarg);
	case 'h':
		return help();
	case 'V':
		return cmd_version("cat");
	default:
		return cmd_bad_option("cat", argv, letter);
	}
}

static int take_options(struct cat *c, int argc, char **argv)
{
	int letter, status;

	while ((letter = getopt_long(argc, argv, ":0f:hlV", long_options,
				     NULL)) != -1) {
		status = take_option(c, argv, letter);
		if (status >= 0)
			return status;
	}
	if (c->in == FRAMING_IN_NONE && c->framing.out != FRAMING_OUT_LINES)
		return cmd_misuse("cat", "a file of framing none does not say "
					 "where a message ends, so --null and "
					 "--length cannot be had");
	if (optind == argc)
		return cmd_misuse("cat", "a FILE is missing");
	return -1;
}

/* unpack_read_fn */
static ssize_t read_some(void *arg, void *to, size_t room)
{
	const struct cat *c = arg;
	ssize_t n;

	do
		n = read(c->fd, to, room);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* unpack_take_fn */
static int take(void *arg, const char *data, size_t len)
{
	struct cat *c = arg;

	if (c->writes)
		return framing_write(&c->framing, data, len);
	framing_check(&c->framing, data, len);
	return 0;
}

/* Prints why there is nothing of this file in the output, or only a part. */
static int fail(const struct cat *c, const char *name, int err, const char *why)
{
	if (err == -EIO && c->writes && ferror(stdout))
		return cmd_output("cat");
	if (why)
		fprintf(stderr, "bufwriter cat: %s %s%s\n", name, why,
			c->writes ? "; a part of it was written" : "");
	else
		fprintf(stderr, "bufwriter cat: %s: %s%s\n", name,
			strerror(-err),
			c->writes ? "; a part of it was written" : "");
	return err == -ENOSYS  ? EX_UNAVAILABLE :
	       err == -EBADMSG ? EX_DATAERR :
				 EX_IOERR;
}

static int cat_open_file(struct cat *c, const char *name)
{
	struct unpack u = { read_some, take, c, unpack_is_compressed(name) };
	const char *why;
	int err;

	c->writes = false;
	framing_begin(&c->framing, c->in);
	err = unpack_run(&u, &why);
	if (!err)
		err = framing_settle(&c->framing, &why);
	if (!err && lseek(c->fd, 0, SEEK_SET) < 0)
		err = -errno;
	if (err)
		return fail(c, name, err, why);
	c->writes = true;
	err = unpack_run(&u, &why);
	return err ? fail(c, name, err, why) : 0;
}

/* 0, or an exit status after one line. */
static int cat_file(struct cat *c, const char *name)
{
	const char *base = strrchr(name, '/');
	const char *why = NULL;
	struct stat st;
	int status;

	c->writes = false;
	if ((base ? base[1] : name[0]) == '.')
		return fail(c, name, -EBADMSG,
			    "is not complete: the daemon gives a dot to files "
			    "that it still writes");
	/* O_NONBLOCK: a pipe is refused, and not waited for. */
	c->fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (c->fd < 0)
		why = strerror(errno);
	else if (fstat(c->fd, &st))
		why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		why = "it is not a regular file";
	if (why) {
		fprintf(stderr, "bufwriter cat: cannot read %s: %s\n", name,
			why);
		status = EX_NOINPUT;
	} else {
		status = cat_open_file(c, name);
	}
	if (c->fd >= 0)
		close(c->fd);
	return status;
}

int cmd_cat(int argc, char **argv)
{
	struct cat c = { .framing = { .to = stdout } };
	int status = take_options(&c, argc, argv), first = 0, i;

	if (status >= 0)
		return status;
	/* As cat(1): one bad file does not keep the others back. */
	for (i = optind; i < argc && !ferror(stdout); i++) {
		status = cat_file(&c, argv[i]);
		if (!first)
			first = status;
	}
	framing_end(&c.framing);
	status = first == EX_IOERR && ferror(stdout) ? 0 : cmd_output("cat");
	return first ? first : status;
}
