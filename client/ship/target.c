/* SPDX-License-Identifier: MIT */
/* See target.h. */
#include "client/ship/target.h"

#include <stdio.h>
#include <string.h>

#define URL "rsync://"

enum target target_kind(const char *destination)
{
	size_t host = strcspn(destination, ":/");

	if (!strncmp(destination, URL, strlen(URL)))
		return TARGET_DAEMON;
	/* An IPv6 address stands in brackets. */
	if (*destination == '[')
		host = strcspn(destination, "]") + 1;
	if (host > strlen(destination) || destination[host] != ':')
		return TARGET_LOCAL;
	return destination[host + 1] == ':' ? TARGET_DAEMON : TARGET_SSH;
}

/* Behind the next slash, or the end. */
static const char *behind_slash(const char *text)
{
	text += strcspn(text, "/");
	return text + (*text == '/');
}

/* The path below the module, or of the file system. */
static const char *path_of(const char *destination)
{
	size_t host = 0;

	switch (target_kind(destination)) {
	case TARGET_LOCAL:
		return destination;
	case TARGET_SSH:
		if (*destination == '[')
			host = strcspn(destination, "]");
		return strchr(destination + host, ':') + 1;
	default:
		break;
	}
	if (!strncmp(destination, URL, strlen(URL)))
		return behind_slash(behind_slash(destination + strlen(URL)));
	return behind_slash(strstr(destination, "::") + 2);
}

bool target_done(const char *destination, char *out, size_t room)
{
	const char *path = path_of(destination);
	size_t end = strlen(path), name, in;
	int n;

	while (end && path[end - 1] == '/')
		end--;
	for (name = end; name && path[name - 1] != '/'; name--)
		;
	/* the component before the name */
	for (in = name; in && path[in - 1] == '/'; in--)
		;
	if (name == end || in < 2 || strncmp(path + in - 2, "in", 2) ||
	    (in > 2 && path[in - 3] != '/'))
		return false;
	n = snprintf(out, room, "%s%.*sdone/%.*s", *path == '/' ? "" : "/",
		     (int)(in - 2), path, (int)(end - name), path + name);
	return n > 0 && (size_t)n < room;
}
