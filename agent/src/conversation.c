#include "conversation.h"

#include <string.h>

#include "wire.h"

/* Each take_ function fills in the event, and returns NULL or what is wrong with the frame. */

static const char *take_file(struct conversation *c, const struct frame *frame, struct event *event) {
    struct reader r = {.at = frame->payload, .end = frame->payload + frame->length};
    uint64_t mode = read_uint(&r, 1);
    uint64_t size = read_uint(&r, 8);
    const char *path = (const char *)r.at;
    size_t path_size = reader_left(&r);
    if (c->running || c->file_left > 0)
        return "FILE: a file is under way, or the command runs";
    if (r.bad || mode > 1)
        return "FILE: shorter than its fixed fields, or mode is neither 0 nor 1";
    if (!path_is_valid(path, path_size))
        return "FILE: the path is not relative and plain";
    event->kind = EVENT_FILE;
    event->executable = mode == 1;
    event->complete = size == 0;
    memcpy(event->path, path, path_size);
    event->path[path_size] = '\0';
    c->file_left = size;
    return NULL;
}

static const char *take_file_data(struct conversation *c, const struct frame *frame, struct event *event) {
    if (frame->length > c->file_left)
        return "DATA(3): more bytes than a FILE announced";
    c->file_left -= frame->length;
    event->kind = EVENT_FILE_DATA;
    event->bytes = frame->payload;
    event->size = frame->length;
    event->complete = c->file_left == 0;
    return NULL;
}

static const char *take_stdin(struct conversation *c, const struct frame *frame, struct event *event) {
    if (!c->running || c->stdin_closed)
        return "DATA(0): before RUN or after CLOSE";
    if (frame->length > c->stdin_credit)
        return "DATA(0): more bytes than were granted";
    c->stdin_credit -= frame->length;
    event->kind = EVENT_STDIN;
    event->bytes = frame->payload;
    event->size = frame->length;
    return NULL;
}

static const char *take_data(struct conversation *c, const struct frame *frame, struct event *event) {
    if (frame->length == 0)
        return "DATA: empty";
    if (frame->stream == STREAM_STDIN)
        return take_stdin(c, frame, event);
    if (frame->stream == STREAM_FILES)
        return take_file_data(c, frame, event);
    return "DATA: of a stream that only the agent sends";
}

static const char *take_run(struct conversation *c, const struct frame *frame, struct event *event) {
    if (c->running || c->file_left > 0)
        return "RUN: a second one, or a file is under way";
    const char *reason = command_parse(c->command, frame->payload, frame->length);
    if (reason != NULL)
        return reason;
    c->running = true;
    event->kind = EVENT_RUN;
    return NULL;
}

static const char *take_close(struct conversation *c, const struct frame *frame, struct event *event) {
    if (!c->running || c->stdin_closed || frame->stream != STREAM_STDIN || frame->length != 0)
        return "CLOSE: before RUN, twice, not of stdin, or not empty";
    c->stdin_closed = true;
    event->kind = EVENT_STDIN_END;
    return NULL;
}

static const char *take_credit(struct conversation *c, const struct frame *frame, struct event *event) {
    if (!c->running || frame->length != 4)
        return "CREDIT: before RUN, or not of four bytes";
    if (frame->stream < STREAM_STDOUT || frame->stream > STREAM_FILES)
        return "CREDIT: of a stream that the agent does not send";
    struct reader r = {.at = frame->payload, .end = frame->payload + frame->length};
    event->kind = EVENT_CREDIT;
    event->stream = (enum stream)frame->stream;
    event->size = (size_t)read_uint(&r, 4);
    return NULL;
}

static const char *take_kill(struct conversation *c, const struct frame *frame, struct event *event) {
    if (!c->running || frame->length != 0)
        return "KILL: before RUN, or not empty";
    event->kind = EVENT_KILL;
    return NULL;
}

static const char *take_frame(struct conversation *c, const struct frame *frame, struct event *event) {
    switch (frame->type) {
    case FRAME_FILE: return take_file(c, frame, event);
    case FRAME_RUN: return take_run(c, frame, event);
    case FRAME_DATA: return take_data(c, frame, event);
    case FRAME_CLOSE: return take_close(c, frame, event);
    case FRAME_CREDIT: return take_credit(c, frame, event);
    case FRAME_KILL: return take_kill(c, frame, event);
    }
    return frame->flags & FRAME_OPTIONAL ? NULL : "a frame of an unknown type that is not optional";
}

static bool same_execution(struct conversation *c, const struct frame *frame) {
    if (!c->identified)
        memcpy(c->id, frame->id, sizeof c->id);
    c->identified = true;
    return memcmp(c->id, frame->id, sizeof c->id) == 0;
}

/* `*taken` is set where the frame is whole and right. Returns NULL, or why the conversation is over. */
static const char *take(struct conversation *c, const uint8_t *bytes, size_t size, struct event *event, size_t *taken) {
    struct frame frame;
    enum frame_state state = frame_parse(bytes, size, &frame);
    if (size < FRAME_HEADER_SIZE)
        return NULL;
    if (state == FRAME_OTHER_VERSION)
        return "a frame of another version";
    if (!same_execution(c, &frame))
        return "a frame of another execution";
    if (state == FRAME_TOO_LONG)
        return "a frame longer than 65536 bytes";
    if (state == FRAME_PARTIAL)
        return NULL;
    *taken = FRAME_HEADER_SIZE + frame.length;
    return take_frame(c, &frame, event);
}

size_t conversation_take(struct conversation *c, const uint8_t *bytes, size_t size, struct event *event) {
    size_t taken = 0;
    *event = (struct event){.kind = EVENT_NONE};
    const char *reason = take(c, bytes, size, event, &taken);
    if (reason == NULL)
        return taken;
    event->kind = EVENT_VIOLATION;
    event->reason = reason;
    return 0;
}
