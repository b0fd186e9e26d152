#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY = 128 * 1024, WORTH_A_FRAME = CAPACITY / 2 };

static uint8_t ring[CAPACITY];
static size_t first, held; /* bytes held are ring[first], ring[first + 1], ... around the end */
static size_t granted;     /* bytes that the server may send, or has sent and are held */
static int pipe_fd = -1;
static bool ending;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

void feed_open(int fd) {
    pipe_fd = fd;
}

void feed_close(void) {
    if (pipe_fd >= 0)
        close(pipe_fd);
    pipe_fd = -1;
    first = held = 0;
}

void feed_take(const uint8_t *bytes, size_t size) {
    if (pipe_fd < 0)
        return;
    if (size > CAPACITY - held)
        abort();
    size_t at = (first + held) % CAPACITY;
    size_t until_end = smaller(size, CAPACITY - at);
    memcpy(ring + at, bytes, until_end);
    memcpy(ring, bytes + until_end, size - until_end);
    held += size;
}

void feed_end(void) {
    ending = true;
    if (held == 0)
        feed_close();
}

void feed_write(void) {
    while (held > 0) {
        ssize_t written = write(pipe_fd, ring + first, smaller(held, CAPACITY - first));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN)
            feed_close(); /* EPIPE: nobody can read it any more */
        if (written < 0)
            return;
        first = (first + (size_t)written) % CAPACITY;
        held -= (size_t)written;
        granted -= (size_t)written;
    }
    if (ending)
        feed_close();
}

int feed_waits_for(void) {
    return held > 0 ? pipe_fd : -1;
}

size_t feed_room_to_grant(void) {
    size_t room = CAPACITY - granted;
    if (pipe_fd < 0 || ending || room < WORTH_A_FRAME)
        return 0;
    granted = CAPACITY;
    return room;
}
