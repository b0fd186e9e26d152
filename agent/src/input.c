#include "input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The longest frame fits, so there is always room to read on: input_next leaves less than one frame. */
static uint8_t buffer[FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX];
static size_t filled, taken;

static void move_to_front(void) {
    memmove(buffer, buffer + taken, filled - taken);
    filled -= taken;
    taken = 0;
}

bool input_read(void) {
    if (taken > 0)
        move_to_front();
    ssize_t got = read(STDIN_FILENO, buffer + filled, sizeof buffer - filled);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    filled += (size_t)got;
    return got > 0;
}

bool input_next(struct conversation *conversation, struct event *event) {
    size_t size = conversation_take(conversation, buffer + taken, filled - taken, event);
    taken += size;
    return size > 0;
}

void input_discard(void) {
    filled = taken = 0;
}
