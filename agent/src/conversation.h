/* What the server may say, and when. Pure: no input or output happens here, so that a fuzzer can drive it. */
#ifndef AGENT_CONVERSATION_H
#define AGENT_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "frame.h"
#include "path.h"

struct conversation {
    struct command *command; /* where RUN is parsed to */
    bool identified;         /* `id` was taken from the first frame */
    bool running;            /* RUN has come */
    bool stdin_closed;
    uint8_t id[FRAME_ID_SIZE];
    uint64_t file_left;      /* bytes of the announced file that have not come */
    uint64_t stdin_credit;   /* bytes of stdin that the server may still send */
};

enum event_kind {
    EVENT_NONE,      /* an optional frame of a type that we do not know */
    EVENT_FILE,      /* `path`, `executable`; `complete` where the file is empty */
    EVENT_FILE_DATA, /* `bytes`, `size`; `complete` with the last of them */
    EVENT_RUN,       /* the command is in `conversation.command` */
    EVENT_STDIN,     /* `bytes`, `size` */
    EVENT_STDIN_END,
    EVENT_CREDIT,    /* `stream`, `size` */
    EVENT_KILL,
    EVENT_VIOLATION, /* `reason` */
};

struct event {
    enum event_kind kind;
    enum stream stream;
    bool executable, complete;
    const uint8_t *bytes; /* points into the frame */
    size_t size;
    const char *reason;
    char path[PATH_SIZE_MAX + 1];
};

/* Takes the frame at the start of `bytes` and says in `event` what it asks for. Returns how many bytes
   the frame has; 0 where it has not come in full, and for a violation. */
size_t conversation_take(struct conversation *conversation, const uint8_t *bytes, size_t size, struct event *event);

#endif
