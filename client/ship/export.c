/* SPDX-License-Identifier: MIT */
/* See export.h. */
#include "client/ship/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const results[] = {
#define EXPORT_RESULT(name) #name,
	EXPORT_RESULTS(EXPORT_RESULT)
#undef EXPORT_RESULT
};

static void print_label(FILE *to, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', to);
		fputc(*value < ' ' || *value > '~' ? '_' : *value, to);
	}
}

static void print_family(FILE *to, const char *name, const char *type,
			 const char *doc)
{
	fprintf(to,
		"# HELP bufwriter_ship_%s %s\n# TYPE bufwriter_ship_%s %s\n",
		name, doc, name, type);
}

static void print_sample(FILE *to, const struct export *e, const char *name,
			 const char *result, double value)
{
	fprintf(to, "bufwriter_ship_%s{stream=\"", name);
	print_label(to, e->stream);
	if (result)
		fprintf(to, "\",result=\"%s", result);
	fprintf(to, "\"} %.*f\n", value == (double)(uint64_t)value ? 0 : 3,
		value);
}

static void print_one(FILE *to, const struct export *e, const char *name,
		      const char *type, const char *doc, double value)
{
	print_family(to, name, type, doc);
	print_sample(to, e, name, NULL, value);
}

static void print_all(FILE *to, const struct export *e)
{
	unsigned i;

	print_one(to, e, "backlog_files", "gauge",
		  "Complete files that wait to be shipped.",
		  (double)e->backlog.files);
	print_one(to, e, "backlog_bytes", "gauge", "Their size.",
		  (double)e->backlog.bytes);
	print_one(to, e, "backlog_oldest_seconds", "gauge",
		  "Age of the oldest of them.", backlog_age(&e->backlog));
	print_one(to, e, "aside_files", "gauge",
		  "Files of the backlog that did not pass in a run of their "
		  "own.",
		  (double)e->aside);
	print_one(to, e, "left_files", "gauge",
		  "Names in the directory that the shipper leaves there.",
		  (double)e->odd);
	print_family(to, "runs_total", "counter",
		     "Runs of the command, by result.");
	for (i = 0; i < EXPORT_RESULT_COUNT; i++)
		print_sample(to, e, "runs_total", results[i],
			     (double)e->runs[i]);
	print_one(to, e, "files_total", "counter",
		  "Files that the command has taken away.", (double)e->files);
	print_one(to, e, "bytes_total", "counter", "Their size.",
		  (double)e->bytes);
	print_one(to, e, "last_success_timestamp_seconds", "gauge",
		  "When a run last moved a file, or found none; 0: never.",
		  e->last_success);
	print_one(to, e, "failing", "gauge", "1 after a run that failed.",
		  e->is_failing);
	print_one(to, e, "next_run_timestamp_seconds", "gauge",
		  "When the next run begins, after a failure; or 0.",
		  e->next_run);
	if (e->is_failing)
		fprintf(to, "# failure: %s\n", e->why);
}

int export_write(const struct export *e, const char *path)
{
	char *new;
	FILE *to;
	int fd, err = 0;

	if (asprintf(&new, "%s.new", path) < 0)
		return -ENOMEM;
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	to = fd < 0 ? NULL : fdopen(fd, "w");
	if (!to) {
		err = -errno;
		if (fd >= 0)
			close(fd);
	} else {
		/* whatever the umask of the service is */
		fchmod(fd, 0644);
		print_all(to, e);
		if (fclose(to) || rename(new, path))
			err = -errno;
	}
	if (err)
		unlink(new);
	free(new);
	return err;
}
