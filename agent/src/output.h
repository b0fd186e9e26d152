/* Frames to the server. Writing never blocks: one frame of data waits at most, and beside it a small
   buffer of control frames, which go first at the next frame boundary. */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

/* From here on frames carry this execution id (before: zero). */
void output_identify(const uint8_t id[FRAME_ID_SIZE]);

void output_control(enum frame_type type, enum stream stream, const void *payload, size_t size);

/* Room for the payload of the one data frame, or NULL while the last one is not written. */
uint8_t *output_reserve(void);
/* Queues the payload that was written to the reserved room; DATA takes its size from the credit. */
void output_commit(enum frame_type type, enum stream stream, size_t size);
/* Forgets a data frame of which nothing is written yet: nobody will miss it before a FAULT. */
void output_drop_data(void);

void output_grant(enum stream stream, uint64_t bytes);
uint64_t output_credit(enum stream stream);

bool output_is_empty(void);
/* Writes what goes without blocking. False: the server's end is gone. */
bool output_flush(void);

#endif
