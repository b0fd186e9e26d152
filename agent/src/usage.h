/* What the command costs: read from the sandbox's cgroup, version 1 or 2, or else from getrusage. */
#ifndef AGENT_USAGE_H
#define AGENT_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum usage_source { USAGE_CGROUP_V1 = 1, USAGE_CGROUP_V2 = 2, USAGE_RUSAGE = 3 };
enum usage_known { USAGE_KNOWS_CPU = 1, USAGE_KNOWS_MEMORY = 2, USAGE_KNOWS_OOM_KILLS = 4 };

struct usage {
    enum usage_source source;
    uint8_t known; /* of enum usage_known */
    uint64_t cpu_us, memory_peak;
    uint32_t oom_kills;
};

/* Opens the counters, once: a program cannot put others in their place. */
enum usage_source usage_open(void);

/* Remembers what the counters say before the command. `pid` is the waiting process that becomes it, whose
   memory is the command's but whose CPU time so far is not; 0 where there is none. */
void usage_begin(pid_t pid);

/* When to sample next: often at first, as most commands are short, then every 50 ms. */
int64_t usage_sample_due_us(void);

/* Looks at memory for its peak and at CPU time. `pid` is the main process. True: the CPU time of all
   processes since usage_begin, without the agent's own, is past `cpu_limit_us` (0: no limit). */
bool usage_sample(int64_t now, pid_t pid, uint64_t cpu_limit_us);

/* The figures at the end, when every process was reaped. */
struct usage usage_end(void);

#endif
