/* SPDX-License-Identifier: MIT */
/* The command `bufwriter`: finds the subcommand and runs it. */
#include <stdio.h>
#include <string.h>

#include "client/command/cmd.h"

static const struct cmd commands[] = {
#define CMD_ENTRY(name, summary) { #name, cmd_##name, summary },
	CMD_LIST(CMD_ENTRY)
#undef CMD_ENTRY
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int help(void)
{
	size_t i;

	puts("Usage: bufwriter COMMAND [OPTION]...\n"
	     "Talks to bufwriterd, the daemon that turns datagrams into "
	     "complete files.\n"
	     "\n"
	     "Commands:");
	for (i = 0; i < COMMANDS; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].summary);
	puts("\n"
	     "'bufwriter COMMAND --help' describes one command, "
	     "bufwriter(1) all of them.\n"
	     "\n"
	     "  -h, --help     show this help\n"
	     "  -V, --version  show the version");
	return cmd_output(NULL);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	size_t i;

	if (!name)
		return cmd_misuse(NULL, "a command is missing");
	if (!strcmp(name, "-h") || !strcmp(name, "--help"))
		return help();
	if (!strcmp(name, "-V") || !strcmp(name, "--version"))
		return cmd_version(NULL);
	for (i = 0; i < COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return cmd_misuse(NULL, "%s '%s' is unknown",
			  name[0] == '-' ? "option" : "command", name);
}
