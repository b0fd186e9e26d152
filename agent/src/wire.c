#include "wire.h"

#include <stdlib.h>
#include <string.h>

size_t reader_left(const struct reader *r) {
    return (size_t)(r->end - r->at);
}

const uint8_t *read_bytes(struct reader *r, size_t size) {
    if (r->bad || size > reader_left(r)) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += size;
    return bytes;
}

uint64_t read_uint(struct reader *r, size_t width) {
    const uint8_t *bytes = read_bytes(r, width);
    uint64_t value = 0;
    for (size_t i = 0; bytes != NULL && i < width; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

void write_bytes(struct writer *w, const void *bytes, size_t size) {
    if (size > (size_t)(w->end - w->at))
        abort();
    memcpy(w->at, bytes, size);
    w->at += size;
}

void write_uint(struct writer *w, uint64_t value, size_t width) {
    uint8_t bytes[8];
    for (size_t i = 0; i < width && i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    write_bytes(w, bytes, width);
}
