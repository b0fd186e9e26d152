/* Frames from the server. */
#ifndef AGENT_INPUT_H
#define AGENT_INPUT_H

#include <stdbool.h>

#include "conversation.h"

/* Reads what is there, without blocking. False: the server's end is gone. */
bool input_read(void);

/* The next event of what was read. False: there is no whole frame (or `event` is the violation). */
bool input_next(struct conversation *conversation, struct event *event);

/* Forgets what was read and not taken. */
void input_discard(void);

#endif
