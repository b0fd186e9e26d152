/* What the agent makes of its own process before it says a word. */
#ifndef AGENT_STARTUP_H
#define AGENT_STARTUP_H

#include <stdint.h>

/* Hardens the process, and refuses to run (a line on standard error, exit 1) where it cannot or where
   it is not the first process of a sandbox. Returns a descriptor that is readable when a child ends. */
int startup_secure(void);

/* How long to wait for a command, from the arguments: microseconds. */
int64_t startup_idle_us(int argc, char **argv);

#endif
