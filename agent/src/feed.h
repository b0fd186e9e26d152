/* The program's standard input: what the server sent and the program has not taken yet. */
#ifndef AGENT_FEED_H
#define AGENT_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void feed_open(int fd);
void feed_close(void);

/* Bytes within the credit, so there is room for them. Forgotten where the program has closed its end. */
void feed_take(const uint8_t *bytes, size_t size);
/* No more will come: the program sees the end after what is held. */
void feed_end(void);

/* Writes what the pipe takes. */
void feed_write(void);

/* The descriptor to wait for until it can be written, or -1. */
int feed_waits_for(void);

/* Room that may be granted to the server now; the caller grants it. Zero until there is enough of it
   to be worth a frame. */
size_t feed_room_to_grant(void);

#endif
