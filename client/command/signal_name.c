/* SPDX-License-Identifier: MIT */
/* See signal_name.h. */
#include "client/command/signal_name.h"

#include <signal.h>
#include <stddef.h>

#define NAME(signal) [signal] = #signal
/* Signals that end a process; the real-time signals have no names. */
static const char *const names[] = {
	NAME(SIGHUP),  NAME(SIGINT),	NAME(SIGQUIT), NAME(SIGILL),
	NAME(SIGTRAP), NAME(SIGABRT),	NAME(SIGBUS),  NAME(SIGFPE),
	NAME(SIGKILL), NAME(SIGUSR1),	NAME(SIGSEGV), NAME(SIGUSR2),
	NAME(SIGPIPE), NAME(SIGALRM),	NAME(SIGTERM), NAME(SIGXCPU),
	NAME(SIGXFSZ), NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGIO),
	NAME(SIGPWR),  NAME(SIGSYS),
};

const char *signal_name(int signal)
{
	const char *name = NULL;

	if (signal > 0 && (size_t)signal < sizeof(names) / sizeof(names[0]))
		name = names[signal];
	return name ? name : "a signal";
}
