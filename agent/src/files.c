#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "path.h"
#include "wire.h"

/* ---- in ---------------------------------------------------------------------------------------- */

static int incoming = -1;

int files_create(const char *path, bool executable) {
    incoming = path_create(path, executable ? 0755 : 0644);
    return incoming < 0 ? errno : 0;
}

int files_write(const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(incoming, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : ENOSPC;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

int files_finish(void) {
    int result = close(incoming);
    incoming = -1;
    return result == 0 ? 0 : errno;
}

/* ---- out --------------------------------------------------------------------------------------- */

enum file_state { FILE_SENT, FILE_MISSING, FILE_NOT_REGULAR, FILE_PAST_CAP, FILE_UNREADABLE };

static struct {
    size_t next;        /* index of the path whose turn is next */
    int fd;             /* the file that is being sent, or -1 */
    uint64_t left;      /* its bytes that are not sent */
    uint64_t announced; /* bytes of all files sent, for the cap */
} collect = {.fd = -1};

static enum file_state state_of_failure(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR: return FILE_MISSING;
    case ELOOP: /* a symbolic link */
    case ENXIO: /* a socket */
        return FILE_NOT_REGULAR;
    default: return FILE_UNREADABLE;
    }
}

/* O_NONBLOCK: a FIFO must not hold the agent. What counts is the type of what was opened. */
static enum file_state open_file(const char *path, int *fd, struct stat *status) {
    *fd = path_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    int error = errno;
    if (*fd < 0)
        *fd = path_open(path, O_PATH); /* enough to tell the type and the size of an unreadable one */
    else
        error = 0;
    if (*fd < 0 || fstat(*fd, status) != 0)
        return state_of_failure(error);
    if (!S_ISREG(status->st_mode))
        return FILE_NOT_REGULAR;
    return error == 0 ? FILE_SENT : FILE_UNREADABLE;
}

static void announce(uint8_t *room, const char *path, enum file_state state, const struct stat *status) {
    struct writer w = {.at = room, .end = room + FRAME_PAYLOAD_MAX};
    write_uint(&w, state, 1);
    write_uint(&w, (status->st_mode & S_IXUSR) != 0, 1);
    write_uint(&w, S_ISREG(status->st_mode) ? (uint64_t)status->st_size : 0, 8);
    write_bytes(&w, path, strlen(path));
    output_commit(FRAME_FILE, STREAM_STDIN, (size_t)(w.at - room));
}

static void close_file(void) {
    if (collect.fd >= 0)
        close(collect.fd);
    collect.fd = -1;
}

static void begin_file(const struct command *command, uint8_t *room) {
    const char *path = command->collect[collect.next++];
    struct stat status = {0};
    enum file_state state = open_file(path, &collect.fd, &status);
    uint64_t size = (uint64_t)status.st_size;
    if (state == FILE_SENT && size > command->cap[STREAM_FILES] - collect.announced)
        state = FILE_PAST_CAP;
    announce(room, path, state, &status);
    if (state == FILE_SENT)
        collect.announced += collect.left = size;
    if (state != FILE_SENT || size == 0)
        close_file();
}

static enum collect_state continue_file(uint8_t *room) {
    uint64_t allowed = output_credit(STREAM_FILES);
    if (allowed > collect.left)
        allowed = collect.left;
    if (allowed > FRAME_PAYLOAD_MAX)
        allowed = FRAME_PAYLOAD_MAX;
    if (allowed == 0)
        return COLLECT_WAITS;
    ssize_t got = read(collect.fd, room, (size_t)allowed);
    if (got <= 0) {
        errno = got == 0 ? EIO : errno;
        return COLLECT_BROKEN;
    }
    output_commit(FRAME_DATA, STREAM_FILES, (size_t)got);
    collect.left -= (uint64_t)got;
    if (collect.left == 0)
        close_file();
    return COLLECT_MORE;
}

enum collect_state files_collect(const struct command *command) {
    uint8_t *room = output_reserve();
    if (room == NULL)
        return COLLECT_WAITS;
    if (collect.fd >= 0)
        return continue_file(room);
    if (collect.next == command->collect_count)
        return COLLECT_DONE;
    begin_file(command, room);
    return COLLECT_MORE;
}
