/* SPDX-License-Identifier: MIT */
/* See shipping.h. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/command/backlog.h"
#include "client/command/format.h"
#include "client/command/shipping.h"

/* Of the shipper's file, see bufwriter-ship(1). */
struct shipper {
	double files, aside, last_success, failing, next_run;
	char why[640];
};

static void print_backlog(const char *path)
{
	struct backlog b;
	int err = backlog_count(&b, path);

	if (err)
		printf("backlog    not known: %s: %s\n", path, strerror(-err));
	else if (!b.files)
		puts("backlog    no complete file waits to be shipped");
	else
		printf("backlog    %s%" PRIu64 " files, %s; the oldest is %s "
		       "old\n",
		       b.is_part ? "at least " : "", b.files,
		       format_bytes((double)b.bytes),
		       format_time(backlog_age(&b)));
}

/* The sample NAME{...} VALUE, if the line is one. */
static void take(const char *line, const char *name, double *value)
{
	static const char start[] = "bufwriter_ship_";
	size_t len = strlen(name);

	if (strncmp(line, start, strlen(start)))
		return;
	line += strlen(start);
	if (!strncmp(line, name, len) && line[len] == '{' &&
	    (line = strchr(line, '}')))
		*value = strtod(line + 1, NULL);
}

static FILE *open_shipper(const char *control_path)
{
	const char *slash = strrchr(control_path, '/');
	FILE *from;
	char *path;
	int fd;

	if (!slash || asprintf(&path, "%.*s/ship.prom",
			       (int)(slash - control_path), control_path) < 0)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	free(path);
	from = fd < 0 ? NULL : fdopen(fd, "r");
	if (!from && fd >= 0)
		close(fd);
	return from;
}

/* 0, or -1 if there is no file. */
static int read_shipper(struct shipper *s, const char *control_path)
{
	static const char failure[] = "# failure: ";
	FILE *from = open_shipper(control_path);
	char line[640];
	char *c;

	*s = (struct shipper){ 0 };
	if (!from)
		return -1;
	while (fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = '\0';
		take(line, "files_total", &s->files);
		take(line, "aside_files", &s->aside);
		take(line, "last_success_timestamp_seconds", &s->last_success);
		take(line, "failing", &s->failing);
		take(line, "next_run_timestamp_seconds", &s->next_run);
		if (!strncmp(line, failure, strlen(failure)))
			snprintf(s->why, sizeof(s->why), "%s",
				 line + strlen(failure));
	}
	fclose(from);
	for (c = s->why; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return 0;
}

static void print_shipper(const char *control_path)
{
	struct shipper s;
	double now = (double)time(NULL);

	if (read_shipper(&s, control_path)) {
		puts("shipper    none works here, or it has none of these "
		     "numbers; see bufwriter-ship(1)");
		return;
	}
	printf("shipper    %.0f files shipped, ", s.files);
	if (s.last_success > 0)
		printf("the last success was %s ago\n",
		       format_time(now > s.last_success ? now - s.last_success :
							  0));
	else
		puts("no success yet");
	if (s.aside > 0)
		printf("           %.0f files did not pass in a run of their "
		       "own\n",
		       s.aside);
	if (s.failing > 0)
		printf("           failing: %s\n", s.why);
	if (s.failing > 0 && s.next_run > now)
		printf("           the next run begins in %s\n",
		       format_time(s.next_run - now));
}

void shipping_print(const char *files_path, const char *control_path)
{
	print_backlog(files_path);
	print_shipper(control_path);
}

void shipping_print_json(const char *files_path)
{
	struct backlog b;

	if (backlog_count(&b, files_path)) {
		fputs("\"backlog\":null", stdout);
		return;
	}
	printf("\"backlog\":{\"files\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"oldest_seconds\":%.3f,\"complete\":%s}",
	       b.files, b.bytes, backlog_age(&b), b.is_part ? "false" : "true");
}

void shipping_print_metrics(const char *files_path, const char *stream)
{
	struct backlog b;

	if (backlog_count(&b, files_path))
		return;
	printf("# HELP bufwriter_backlog_files Complete files that wait to be "
	       "shipped.\n# TYPE bufwriter_backlog_files gauge\n"
	       "bufwriter_backlog_files{stream=\"%s\"} %" PRIu64 "\n"
	       "# HELP bufwriter_backlog_bytes Size of these files.\n"
	       "# TYPE bufwriter_backlog_bytes gauge\n"
	       "bufwriter_backlog_bytes{stream=\"%s\"} %" PRIu64 "\n"
	       "# HELP bufwriter_backlog_oldest_seconds Age of the oldest of "
	       "them.\n# TYPE bufwriter_backlog_oldest_seconds gauge\n"
	       "bufwriter_backlog_oldest_seconds{stream=\"%s\"} %.3f\n",
	       stream, b.files, stream, b.bytes, stream, backlog_age(&b));
}
