#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Control frames are few: CREDIT needs 64 KiB of stdin to have come for each, which needs the credit
   before it to have been read; the others are sent once. */
enum { CONTROL_SIZE = 2048 };

struct queue {
    uint8_t *bytes;
    size_t size, sent;
};

static uint8_t data_bytes[FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX];
static uint8_t control_bytes[CONTROL_SIZE];
static struct queue data = {.bytes = data_bytes};
static struct queue control = {.bytes = control_bytes};
static uint8_t execution_id[FRAME_ID_SIZE];
static uint64_t credit[STREAM_COUNT];

void output_identify(const uint8_t id[FRAME_ID_SIZE]) {
    memcpy(execution_id, id, sizeof execution_id);
}

void output_control(enum frame_type type, enum stream stream, const void *payload, size_t size) {
    if (size + FRAME_HEADER_SIZE > CONTROL_SIZE - control.size)
        abort();
    uint8_t *frame = control.bytes + control.size;
    frame_write_header(frame, type, stream, (uint32_t)size, execution_id);
    if (size > 0)
        memcpy(frame + FRAME_HEADER_SIZE, payload, size);
    control.size += FRAME_HEADER_SIZE + size;
}

uint8_t *output_reserve(void) {
    return data.size == 0 ? data.bytes + FRAME_HEADER_SIZE : NULL;
}

void output_commit(enum frame_type type, enum stream stream, size_t size) {
    frame_write_header(data.bytes, type, stream, (uint32_t)size, execution_id);
    data.size = FRAME_HEADER_SIZE + size;
    if (type == FRAME_DATA)
        credit[stream] -= size;
}

void output_drop_data(void) {
    if (data.sent == 0)
        data.size = 0;
}

void output_grant(enum stream stream, uint64_t bytes) {
    credit[stream] += bytes;
}

uint64_t output_credit(enum stream stream) {
    return credit[stream];
}

bool output_is_empty(void) {
    return data.size == 0 && control.size == 0;
}

/* A frame that has begun must end before another begins; else control goes first. */
static struct queue *next_queue(void) {
    if (data.sent > 0 || control.size == 0)
        return &data;
    return &control;
}

bool output_flush(void) {
    while (!output_is_empty()) {
        struct queue *queue = next_queue();
        ssize_t written = write(STDOUT_FILENO, queue->bytes + queue->sent, queue->size - queue->sent);
        if (written < 0)
            return errno == EAGAIN || errno == EINTR;
        queue->sent += (size_t)written;
        if (queue->sent == queue->size)
            queue->size = queue->sent = 0;
    }
    return true;
}
