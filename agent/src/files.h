/* Files in, before the command, and files out, after it. */
#ifndef AGENT_FILES_H
#define AGENT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

/* All three return 0 or an errno. */
int files_create(const char *path, bool executable);
int files_write(const uint8_t *bytes, size_t size);
int files_finish(void);

enum collect_state { COLLECT_DONE, COLLECT_MORE, COLLECT_WAITS, COLLECT_BROKEN };

/* Sends at most one frame of the files that the command names. COLLECT_WAITS: for credit, or for the
   frame before. COLLECT_BROKEN, with errno: an announced file could not be read to its end. Only for
   when no process is left that could change a file. */
enum collect_state files_collect(const struct command *command);

#endif
