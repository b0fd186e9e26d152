/* What the agent says of itself and of the command, as control frames. */
#ifndef AGENT_MESSAGE_H
#define AGENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "usage.h"

enum cause { CAUSE_EXITED, CAUSE_SIGNALED, CAUSE_WALL, CAUSE_CPU, CAUSE_OUTPUT, CAUSE_KILLED };

struct result {
    enum cause cause;
    struct usage usage;
    int exit_code, signal; /* as a shell tells them: 128 + signal where there is one */
    uint64_t wall_us, stdout_total, stderr_total, collect_us;
};

/* For an agent that has made sure of being PID 1 and not dumpable. */
void message_hello(enum usage_source cgroup, bool waiting);
void message_started(void);
void message_stdin_credit(size_t bytes);
void message_result(const struct result *result);
void message_fault(enum fault_code code, int error, const char *text);

#endif
