/* The command that RUN carries: what to start, with which limits, and which files to send after it. */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

enum {
    /* Every string costs a RUN frame at least the four bytes of its length. */
    COMMAND_STRINGS_MAX = FRAME_PAYLOAD_MAX / 4,
    COMMAND_LISTS = 3,
};

struct command {
    uint64_t wall_us, cpu_us;       /* cpu_us 0: no limit */
    uint64_t cap[STREAM_COUNT];     /* bytes sent at most; not used for stdin */
    uint32_t credit[STREAM_COUNT];  /* granted from the start; not used for stdin */
    bool kill_on_overflow;
    bool waiting;                   /* the waiting process becomes the program */
    size_t collect_count;
    char **argv, **env, **collect;  /* each ends with NULL; they point into `strings` */
    char *strings[COMMAND_STRINGS_MAX + COMMAND_LISTS];
    char text[FRAME_PAYLOAD_MAX];   /* the strings themselves, ended by NUL */
};

/* Copies the payload of RUN into `command`. Returns NULL, or what is wrong with the payload. */
const char *command_parse(struct command *command, const uint8_t *payload, size_t size);

#endif
