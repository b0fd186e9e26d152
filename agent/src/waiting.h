/* The waiting process: a runtime that is started before its program is known, and becomes it. */
#ifndef AGENT_WAITING_H
#define AGENT_WAITING_H

#include <stdbool.h>

#include "child.h"
#include "command.h"

/* Starts `argv` with the agent's own environment and waits until it is ready. False: it ended, said
   nothing for too long, or the server is gone. */
bool waiting_start(struct child *child, char **argv);

/* There is a process that waits for its program. */
bool waiting_exists(void);

/* Tells the waiting process its program. False: it takes nothing any more. */
bool waiting_hand_over(struct child *child, const struct command *command);

/* Kills the waiting process, where there is one, and all that it started: nothing of it is left. */
void waiting_discard(struct child *child);

#endif
