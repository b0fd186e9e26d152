/* The names of files, in and out: relative to the working directory, and never above it. */
#ifndef AGENT_PATH_H
#define AGENT_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum { PATH_SIZE_MAX = 255, PATH_DEPTH_MAX = 16 };

/* True where the `size` bytes are a path of the protocol: no empty, `.` or `..` component, no NUL. */
bool path_is_valid(const char *path, size_t size);

/* Opens `path` (valid, ends with NUL) beneath the working directory. No symbolic link is followed,
   not even by a directory on the way: that is ELOOP. Returns -1 with errno. */
int path_open(const char *path, int flags);

/* Makes the directories on the way to `path` (mode 0755 whatever the umask) and the file itself, for
   writing; it must not exist. Returns -1 with errno. */
int path_create(const char *path, unsigned mode);

#endif
