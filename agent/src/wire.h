/* Little-endian integers, and bytes, read from and written to a bounded buffer. */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A reader that was asked for more than is left turns `bad` and stays so, reading zeros: a parser
   asks for all of its fields and checks once. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

size_t reader_left(const struct reader *r);
uint64_t read_uint(struct reader *r, size_t width);
const uint8_t *read_bytes(struct reader *r, size_t size);

/* Writes only frames whose size the agent chose, so there is nothing to report: what does not fit aborts. */
struct writer {
    uint8_t *at, *end;
};

void write_uint(struct writer *w, uint64_t value, size_t width);
void write_bytes(struct writer *w, const void *bytes, size_t size);

#endif
