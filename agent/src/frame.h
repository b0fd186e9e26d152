/* The frame of PROTOCOL.md: a fixed header, then the payload. */
#ifndef AGENT_FRAME_H
#define AGENT_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_VERSION = 1,
    FRAME_ID_SIZE = 16,
    FRAME_HEADER_SIZE = 24,
    FRAME_PAYLOAD_MAX = 65536,
    FRAME_OPTIONAL = 1, /* a bit of `flags` */
};

enum frame_type {
    FRAME_FILE = 0x01,
    FRAME_RUN = 0x02,
    FRAME_DATA = 0x03,
    FRAME_CLOSE = 0x04,
    FRAME_CREDIT = 0x05,
    FRAME_KILL = 0x06,
    FRAME_HELLO = 0x10,
    FRAME_STARTED = 0x11,
    FRAME_RESULT = 0x12,
    FRAME_FAULT = 0x13,
};

enum stream { STREAM_STDIN = 0, STREAM_STDOUT = 1, STREAM_STDERR = 2, STREAM_FILES = 3, STREAM_COUNT = 4 };

enum fault_code { FAULT_PROTOCOL = 1, FAULT_FILE = 2, FAULT_EXEC = 3, FAULT_AGENT = 4 };

struct frame {
    uint8_t type, stream, flags;
    uint32_t length;
    const uint8_t *id;      /* FRAME_ID_SIZE bytes */
    const uint8_t *payload; /* `length` bytes; both point into the bytes that were parsed */
};

enum frame_state { FRAME_COMPLETE, FRAME_PARTIAL, FRAME_OTHER_VERSION, FRAME_TOO_LONG };

/* Reads the frame at the start of `bytes`. All of `frame` but the payload is valid for FRAME_TOO_LONG too. */
enum frame_state frame_parse(const uint8_t *bytes, size_t size, struct frame *frame);

void frame_write_header(uint8_t header[FRAME_HEADER_SIZE], enum frame_type type, enum stream stream, uint32_t length,
                        const uint8_t id[FRAME_ID_SIZE]);

#endif
