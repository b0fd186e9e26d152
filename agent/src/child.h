/* The program's processes: starting the main one, reaping all, ending all. */
#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "command.h"
#include "frame.h"

struct child {
    pid_t pid;
    int pipes[3]; /* the agent's ends, not blocking, by descriptor in the program */
    int64_t started_us, ended_us;
    bool ended;
    int wait_status; /* of wait(2), once ended */
};

struct start_failure {
    enum fault_code fault;
    int error;
    const char *step;
};

enum { CHILD_HANDLE = 3 };

/* True: the program's image has been executed. Otherwise `failure` says why not and nothing is left.
   `handle`, where it is not negative, becomes the program's descriptor CHILD_HANDLE. */
bool child_start(struct child *child, const struct command *command, int handle, struct start_failure *failure);

/* Reaps what has ended. True when no process is left. */
bool child_reap(struct child *child);

/* Kills every process but the agent and reaps them, for at most two seconds: only a process that the
   kernel itself holds can outlast that, and it dies with the agent. */
void child_sweep(struct child *child);

#endif
