// SPDX-License-Identifier: GPL-2.0
/* The example in examples/vmm.c does what it says. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "lu.h"

struct example {
	pid_t pid;
	FILE *out;
};

static int start(struct example *ex, const char *how, const char *bdf)
{
	ex->pid = spawn((char *[]){ "/vmm", (char *)how, (char *)bdf, "example", NULL }, &ex->out);
	return ex->pid;
}

/* Its next word. What else it says is for the reader of the log. */
static bool says(struct example *ex, const char *word)
{
	char line[256];

	while (spawn_line(ex->out, line, sizeof(line)))
		if (!strcmp(line + strcspn(line, " "), word))
			return true;
	return false;
}

static bool tell(struct example *ex, int sig, const char *word)
{
	return !kill(ex->pid, sig) && says(ex, word);
}

void case_example(long stage)
{
	const char *bdf = card_bdf(0);
	struct example ex;

	if (!ktap_rc(start(&ex, stage == 1 ? "run" : "resume", bdf), 0, "start the example") ||
	    !ktap(says(&ex, " running"), "the VM runs"))
		return;
	if (stage > opt_num("updates", 1)) {
		ktap(tell(&ex, SIGUSR1, " preserved"), "it could be preserved again");
		return;
	}
	if (ktap(tell(&ex, SIGUSR1, " preserved"), "preserve") &&
	    ktap(tell(&ex, SIGUSR2, " running"), "cancel") &&
	    ktap(tell(&ex, SIGUSR1, " preserved"), "preserve again") &&
	    ktap_rc(payload_unpack(), 0, "read the next kernel from the disk"))
		jump(stage);
}
