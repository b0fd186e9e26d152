#include "outlet.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "output.h"

/* A program that writes byte by byte would cost a frame for each. So small frames go at once while they
   are few, and at one in PACE_US when they are many; in between its pipe gathers what it writes. */
enum { SMALL = 4096, PACE_US = US_PER_MS, BURST_US = 64 * PACE_US };

static bool drops(const struct outlet *o) {
    return o->dropping || o->sent >= o->cap;
}

static bool is_held(const struct outlet *o, int64_t now) {
    return o->paced_us > now + BURST_US;
}

static bool has_room(const struct outlet *o) {
    return drops(o) || (output_credit(o->stream) > 0 && output_reserve() != NULL);
}

bool outlet_is_ready(const struct outlet *o, int64_t now) {
    return o->fd >= 0 && has_room(o) && !is_held(o, now);
}

int64_t outlet_held_until(const struct outlet *o, int64_t now) {
    bool waits = o->fd >= 0 && has_room(o) && is_held(o, now);
    return waits ? o->paced_us - BURST_US : INT64_MAX;
}

static void pace(struct outlet *o, size_t size, int64_t now) {
    if (o->paced_us < now)
        o->paced_us = now;
    if (size < SMALL)
        o->paced_us += PACE_US;
}

static ssize_t read_and_drop(struct outlet *o) {
    static uint8_t dropped[FRAME_PAYLOAD_MAX];
    return read(o->fd, dropped, sizeof dropped);
}

static ssize_t read_and_send(struct outlet *o, int64_t now) {
    uint64_t allowed = o->cap - o->sent, credit = output_credit(o->stream);
    if (allowed > credit)
        allowed = credit;
    if (allowed > FRAME_PAYLOAD_MAX)
        allowed = FRAME_PAYLOAD_MAX;
    ssize_t got = read(o->fd, output_reserve(), (size_t)allowed);
    if (got <= 0)
        return got;
    output_commit(FRAME_DATA, o->stream, (size_t)got);
    o->sent += (uint64_t)got;
    pace(o, (size_t)got, now);
    return got;
}

static void close_pipe(struct outlet *o) {
    close(o->fd);
    o->fd = -1;
}

/* The end must show without credit too: a server that granted exactly what was written owes no more. */
static bool close_if_empty(struct outlet *o) {
    int held;
    if (ioctl(o->fd, FIONREAD, &held) != 0 || held > 0)
        return false;
    close_pipe(o);
    return true;
}

bool outlet_read(struct outlet *o, int64_t now, bool last) {
    if (o->fd < 0)
        return false;
    if (!has_room(o))
        return last && close_if_empty(o);
    ssize_t got = drops(o) ? read_and_drop(o) : read_and_send(o, now);
    if (got > 0) {
        o->total += (uint64_t)got;
        return true;
    }
    if (got < 0 && (errno == EINTR || (errno == EAGAIN && !last)))
        return false;
    close_pipe(o);
    return true;
}

bool outlet_overflowed(const struct outlet *o) {
    return o->total > o->cap;
}
