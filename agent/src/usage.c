#include "usage.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* Where a version of cgroups keeps its figures. A key is a name at the start of a line; NULL means
   that the file is the number alone. */
struct layout {
    const char *memory_file, *anonymous_key, *shared_key;
    const char *cpu_file, *cpu_key;
    uint64_t cpu_units_per_us;
    const char *oom_file, *oom_key;
};

static const struct layout layouts[] = {
    [USAGE_CGROUP_V1] = {
        .memory_file = "/sys/fs/cgroup/memory/memory.stat",
        .anonymous_key = "total_rss",
        .shared_key = "total_shmem",
        .cpu_file = "/sys/fs/cgroup/cpuacct/cpuacct.usage",
        .cpu_units_per_us = 1000,
        .oom_file = "/sys/fs/cgroup/memory/memory.oom_control",
        .oom_key = "oom_kill",
    },
    [USAGE_CGROUP_V2] = {
        .memory_file = "/sys/fs/cgroup/memory.stat",
        .anonymous_key = "anon",
        .shared_key = "shmem",
        .cpu_file = "/sys/fs/cgroup/cpu.stat",
        .cpu_key = "usage_usec",
        .cpu_units_per_us = 1,
        .oom_file = "/sys/fs/cgroup/memory.events",
        .oom_key = "oom_kill",
    },
};

struct counters {
    uint64_t memory, cpu_us, own_cpu_us, oom_kills;
};

static enum usage_source source = USAGE_RUSAGE;
static int memory_fd = -1, cpu_fd = -1, oom_fd = -1;
static struct counters before;
static uint64_t idle_anonymous; /* of the agent alone */
static uint64_t peak;
static int64_t sample_due_us, sample_interval_us;

enum { SAMPLE_FIRST_US = 2 * US_PER_MS, SAMPLE_LAST_US = 50 * US_PER_MS };

static bool number_in(const char *text, const char *key, uint64_t *value) {
    size_t size = key == NULL ? 0 : strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (size > 0 && (strncmp(line, key, size) != 0 || line[size] != ' '))
            continue;
        char *end;
        *value = strtoull(line + size, &end, 10);
        return end != line + size;
    }
    return false;
}

/* memory.stat is the largest: about 2 KiB, the wanted lines of version 1 near its end. */
static bool read_text(int fd, char *text, size_t size) {
    ssize_t got = fd < 0 ? -1 : pread(fd, text, size - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static bool read_number(int fd, const char *key, uint64_t *value) {
    char text[8192];
    return read_text(fd, text, sizeof text) && number_in(text, key, value);
}

static bool read_memory(uint64_t *anonymous, uint64_t *shared) {
    char text[8192];
    const struct layout *layout = &layouts[source];
    return read_text(memory_fd, text, sizeof text) && number_in(text, layout->anonymous_key, anonymous) &&
           number_in(text, layout->shared_key, shared);
}

static uint64_t clock_of(clockid_t clock) {
    struct timespec used;
    if (clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * US_PER_S + (uint64_t)used.tv_nsec / 1000;
}

static uint64_t rusage_cpu_us(pid_t pid) {
    struct rusage children;
    clockid_t clock;
    getrusage(RUSAGE_CHILDREN, &children);
    uint64_t living = pid > 0 && clock_getcpuclockid(pid, &clock) == 0 ? clock_of(clock) : 0;
    return living + (uint64_t)(children.ru_utime.tv_sec + children.ru_stime.tv_sec) * US_PER_S +
           (uint64_t)(children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

static bool read_cpu(uint64_t *us) {
    const struct layout *layout = &layouts[source];
    if (!read_number(cpu_fd, layout->cpu_key, us))
        return false;
    *us /= layout->cpu_units_per_us;
    return true;
}

static bool read_oom_kills(uint64_t *count) {
    return read_number(oom_fd, layouts[source].oom_key, count);
}

static bool open_layout(enum usage_source candidate) {
    const struct layout *layout = &layouts[candidate];
    uint64_t shared, ignored;
    source = candidate;
    memory_fd = open(layout->memory_file, O_RDONLY | O_CLOEXEC);
    cpu_fd = open(layout->cpu_file, O_RDONLY | O_CLOEXEC);
    if (read_memory(&idle_anonymous, &shared) && read_cpu(&ignored)) {
        oom_fd = open(layout->oom_file, O_RDONLY | O_CLOEXEC);
        return true;
    }
    close(memory_fd);
    close(cpu_fd);
    memory_fd = cpu_fd = -1;
    return false;
}

enum usage_source usage_open(void) {
    if (!open_layout(USAGE_CGROUP_V1) && !open_layout(USAGE_CGROUP_V2))
        source = USAGE_RUSAGE;
    return source;
}

void usage_begin(pid_t pid) {
    uint64_t anonymous = 0, shared = 0;
    before = (struct counters){.own_cpu_us = clock_of(CLOCK_PROCESS_CPUTIME_ID)};
    sample_interval_us = SAMPLE_FIRST_US;
    sample_due_us = clock_us() + sample_interval_us;
    if (source == USAGE_RUSAGE || !read_cpu(&before.cpu_us))
        before.cpu_us = rusage_cpu_us(pid);
    if (source == USAGE_RUSAGE)
        return;
    if (read_memory(&anonymous, &shared))
        before.memory = shared + (pid > 0 ? idle_anonymous : anonymous);
    read_oom_kills(&before.oom_kills);
}

static void sample_memory(void) {
    uint64_t anonymous, shared;
    if (source == USAGE_RUSAGE || !read_memory(&anonymous, &shared))
        return;
    if (anonymous + shared > before.memory && anonymous + shared - before.memory > peak)
        peak = anonymous + shared - before.memory;
}

/* `pid` is the main process, or 0 after it was reaped: without a cgroup its clock stands for the living. */
static uint64_t cpu_since_begin(pid_t pid) {
    uint64_t now, agent = before.cpu_us;
    if (source == USAGE_RUSAGE || !read_cpu(&now))
        now = rusage_cpu_us(pid);
    else
        agent += clock_of(CLOCK_PROCESS_CPUTIME_ID) - before.own_cpu_us;
    return now > agent ? now - agent : 0;
}

int64_t usage_sample_due_us(void) {
    return sample_due_us;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

bool usage_sample(int64_t now, pid_t pid, uint64_t cpu_limit_us) {
    sample_memory();
    int64_t wait = sample_interval_us;
    sample_interval_us = smaller(sample_interval_us * 2, SAMPLE_LAST_US);
    if (cpu_limit_us > 0) {
        uint64_t used = cpu_since_begin(pid);
        if (used > cpu_limit_us)
            return true;
        /* Soon enough for a limit that is close, where the command computes on one processor. */
        if (cpu_limit_us - used < (uint64_t)wait)
            wait = (int64_t)(cpu_limit_us - used);
    }
    sample_due_us = now + (wait > SAMPLE_FIRST_US ? wait : SAMPLE_FIRST_US);
    return false;
}

static uint64_t largest_process(void) {
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    return (uint64_t)children.ru_maxrss * 1024;
}

struct usage usage_end(void) {
    struct usage usage = {.source = source, .known = USAGE_KNOWS_CPU | USAGE_KNOWS_MEMORY};
    uint64_t oom_kills;
    usage.cpu_us = cpu_since_begin(0);
    sample_memory();
    usage.memory_peak = peak > largest_process() ? peak : largest_process();
    if (source != USAGE_RUSAGE && read_oom_kills(&oom_kills)) {
        usage.known |= USAGE_KNOWS_OOM_KILLS;
        usage.oom_kills = (uint32_t)(oom_kills - before.oom_kills);
    }
    return usage;
}
