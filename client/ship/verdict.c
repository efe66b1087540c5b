/* SPDX-License-Identifier: MIT */
/* See verdict.h. */
#include "client/ship/verdict.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/command/signal_name.h"

/*
 * What rsync and ssh say.  The first pattern that is anywhere in the output
 * decides, so the more telling ones come first.
 */
static const struct pattern {
	const char *text;
	enum blame blame;
	bool is_broken;
	const char *remedy;
} patterns[] = {
	{ "Could not resolve hostname", BLAME_CENTRE, false,
	  "check the host in ship.destination" },
	{ "getaddrinfo", BLAME_CENTRE, false,
	  "check the host in ship.destination" },
	{ "Host key verification failed", BLAME_CENTRE, true,
	  "put the centre's host key into known_hosts, if it is right" },
	{ "Permission denied (publickey", BLAME_CENTRE, true,
	  "the centre does not accept the key; check the key here and "
	  "authorized_keys there" },
	{ "Permission denied (password", BLAME_CENTRE, true,
	  "ssh needs a key that the centre accepts" },
	{ "Permission denied (keyboard", BLAME_CENTRE, true,
	  "ssh needs a key that the centre accepts" },
	{ "failed: Permission denied (13)", BLAME_UNKNOWN, false,
	  "may the user at that end write there?" },
	{ "@ERROR: auth failed", BLAME_CENTRE, true,
	  "check user and password" },
	{ "@ERROR: Unknown module", BLAME_CENTRE, true,
	  "check the module in ship.destination" },
	{ "@ERROR: access denied", BLAME_CENTRE, true,
	  "the centre does not admit this host" },
	{ "@ERROR: max connections", BLAME_CENTRE, false,
	  "the centre is busy" },
	{ "@ERROR", BLAME_CENTRE, false, "the centre refuses this host" },
	{ "No space left on device", BLAME_CENTRE, false,
	  "make room where the message says" },
	{ "Disk quota exceeded", BLAME_CENTRE, false,
	  "make room where the message says" },
	{ "Connection refused", BLAME_CENTRE, false,
	  "nothing listens there; is the centre's service running?" },
	{ "No route to host", BLAME_CENTRE, false, "check the network" },
	{ "Network is unreachable", BLAME_CENTRE, false, "check the network" },
	{ "Connection timed out", BLAME_CENTRE, false, "check the network" },
	{ "timed out", BLAME_CENTRE, false, "check the network" },
	{ "Failed to exec", BLAME_CENTRE, true, "install it" },
	{ "Connection reset", BLAME_CENTRE, false,
	  "the centre closed the connection" },
	{ "(0 bytes received so far)", BLAME_CENTRE, false,
	  "the centre closed the connection at once; look at its log" },
};

/* Exit statuses of rsync(1) that no pattern explains. */
static const struct status {
	int status;
	enum blame blame;
	bool is_broken;
	const char *remedy;
} rsync_statuses[] = {
	{ 1, BLAME_CENTRE, true, "check ship.command and ship.destination" },
	{ 2, BLAME_CENTRE, true, "the centre's rsync does not fit this one" },
	{ 3, BLAME_CENTRE, true, "check the path in ship.destination" },
	{ 4, BLAME_CENTRE, true, "the centre's rsync cannot do that" },
	{ 5, BLAME_CENTRE, false, "look at the centre's log" },
	{ 10, BLAME_CENTRE, false, "check the network and the centre" },
	{ 11, BLAME_UNKNOWN, false, "check the disk at the centre" },
	{ 12, BLAME_UNKNOWN, false, "the connection broke" },
	{ 14, BLAME_CENTRE, true, "is ssh installed?" },
	{ 23, BLAME_FILES, false, "some files did not pass" },
	{ 24, BLAME_FILES, false, "files vanished during the run" },
	{ 30, BLAME_CENTRE, false, "the centre did not answer in time" },
	{ 35, BLAME_CENTRE, false, "the centre did not answer in time" },
	{ 255, BLAME_CENTRE, false, "ssh has no connection" },
};

/* The same of any other command, see sysexits.h and sh(1). */
static const struct status statuses[] = {
	{ 69, BLAME_CENTRE, false, "it says that the centre is not there" },
	{ 75, BLAME_CENTRE, false, "it says that a later run may succeed" },
	{ 126, BLAME_CENTRE, true, "check ship.command" },
	{ 127, BLAME_CENTRE, true, "check ship.command" },
};

void verdict_clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const struct pattern *match(const char *said)
{
	size_t i;

	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (strcasestr(said, patterns[i].text))
			return &patterns[i];
	return NULL;
}

static const struct status *look_up(const struct ending *e)
{
	bool is_rsync = !strcmp(base_name(e->program), "rsync");
	const struct status *table = is_rsync ? rsync_statuses : statuses;
	size_t n = is_rsync ? sizeof(rsync_statuses) / sizeof(*table) :
			      sizeof(statuses) / sizeof(*table);
	size_t i;

	for (i = 0; i < n; i++)
		if (table[i].status == e->status)
			return &table[i];
	return NULL;
}

/* Lines that explain nothing. */
static bool is_noise(const char *line, size_t len)
{
	static const char *const noise[] = {
		"@@@@",
		"Warning: Permanently added",
		"--compare-dest arg",
		"Could not create directory",
	};
	size_t i;

	for (i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (!strncmp(line, noise[i], strlen(noise[i])))
			return true;
	return !len;
}

/* Copies the line that has this text, or the first that is no noise. */
static void quote(const char *said, const char *text, char *out, size_t room)
{
	size_t len;

	*out = '\0';
	for (; *said; said += len + (said[len] == '\n')) {
		len = strcspn(said, "\n");
		if (text ? !memmem(said, len, text, strlen(text)) :
			   is_noise(said, len))
			continue;
		/* ssh ends its lines as a terminal wants them */
		if (len && said[len - 1] == '\r')
			len--;
		snprintf(out, room, "%.*s", (int)(len < 200 ? len : 200), said);
		break;
	}
	verdict_clean(out);
}

static void describe_end(const struct ending *e, char *out, size_t room)
{
	const char *program = base_name(e->program);

	if (e->start_error)
		snprintf(out, room, "cannot start %s: %s", e->program,
			 strerror(-e->start_error));
	else if (e->has_stalled)
		snprintf(out, room, "%s moved nothing for %u s and was ended",
			 program, e->stall_s);
	else if (e->signal)
		snprintf(out, room, "%s was killed by %s", program,
			 signal_name(e->signal));
	else if (!e->status)
		snprintf(out, room,
			 "%s ended with success and left %zu of %zu files",
			 program, e->left, e->files);
	else
		snprintf(out, room, "%s ended with status %d", program,
			 e->status);
}

static const char *judge(struct verdict *v, const struct ending *e,
			 const struct pattern *p)
{
	const struct status *s = look_up(e);

	v->blame = BLAME_UNKNOWN;
	if (e->start_error) {
		v->blame = BLAME_CENTRE;
		v->is_broken = true;
		return "install it, or check ship.command";
	}
	if (!e->status && !e->signal && !e->has_stalled) {
		v->blame = BLAME_FILES;
		return "does the command remove what has arrived?";
	}
	if (e->has_stalled || e->signal)
		return p ? p->remedy : "is the centre well?";
	/* Status 23 comes with the message of one file. */
	if (s && s->blame == BLAME_FILES && (!p || e->left < e->files)) {
		v->blame = BLAME_FILES;
		return s->remedy;
	}
	if (p) {
		v->blame = p->blame;
		v->is_broken = p->is_broken;
		return p->remedy;
	}
	if (s) {
		v->blame = s->blame;
		v->is_broken = s->is_broken;
		return s->remedy;
	}
	return "look at what the command says";
}

void verdict_make(struct verdict *v, const struct ending *e)
{
	const struct pattern *p = match(e->said);
	const char *remedy;
	char end[160], line[208];

	*v = (struct verdict){ .blame = BLAME_NOTHING };
	if (!e->start_error && !e->has_stalled && !e->left)
		return;
	v->has_failed = true;
	remedy = judge(v, e, p);
	describe_end(e, end, sizeof(end));
	quote(e->said, p ? p->text : NULL, line, sizeof(line));
	snprintf(v->line, sizeof(v->line), "%s%s%s; %s", end, *line ? ": " : "",
		 line, remedy);
	verdict_clean(v->line);
}
