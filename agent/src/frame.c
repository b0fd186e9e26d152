#include "frame.h"

#include "wire.h"

enum frame_state frame_parse(const uint8_t *bytes, size_t size, struct frame *frame) {
    if (size < FRAME_HEADER_SIZE)
        return FRAME_PARTIAL;
    struct reader r = {.at = bytes, .end = bytes + size};
    if (read_uint(&r, 1) != FRAME_VERSION)
        return FRAME_OTHER_VERSION;
    frame->type = (uint8_t)read_uint(&r, 1);
    frame->stream = (uint8_t)read_uint(&r, 1);
    frame->flags = (uint8_t)read_uint(&r, 1);
    frame->length = (uint32_t)read_uint(&r, 4);
    frame->id = read_bytes(&r, FRAME_ID_SIZE);
    if (frame->length > FRAME_PAYLOAD_MAX)
        return FRAME_TOO_LONG;
    frame->payload = read_bytes(&r, frame->length);
    return r.bad ? FRAME_PARTIAL : FRAME_COMPLETE;
}

void frame_write_header(uint8_t header[FRAME_HEADER_SIZE], enum frame_type type, enum stream stream, uint32_t length,
                        const uint8_t id[FRAME_ID_SIZE]) {
    struct writer w = {.at = header, .end = header + FRAME_HEADER_SIZE};
    write_uint(&w, FRAME_VERSION, 1);
    write_uint(&w, type, 1);
    write_uint(&w, stream, 1);
    write_uint(&w, 0, 1);
    write_uint(&w, length, 4);
    write_bytes(&w, id, FRAME_ID_SIZE);
}
