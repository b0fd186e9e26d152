/* One output of the program, stdout or stderr: read from its pipe as far as credit and cap go. */
#ifndef AGENT_OUTLET_H
#define AGENT_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

struct outlet {
    enum stream stream;
    int fd;           /* -1: the program closed it, or nobody is left to write */
    uint64_t cap;     /* bytes that are sent; what is past them is read, counted, dropped */
    uint64_t sent, total;
    int64_t paced_us; /* how far small frames have run ahead of the clock */
    bool dropping;    /* send no more, cap or not */
};

/* True where reading would get on now. False also while the pace holds small frames back. */
bool outlet_is_ready(const struct outlet *outlet, int64_t now);

/* When a held outlet may be read; INT64_MAX where it is not held. */
int64_t outlet_held_until(const struct outlet *outlet, int64_t now);

/* Reads once. Where nobody is left to write (`last`), an empty pipe is the end. True: it got on. */
bool outlet_read(struct outlet *outlet, int64_t now, bool last);

bool outlet_overflowed(const struct outlet *outlet);

#endif
