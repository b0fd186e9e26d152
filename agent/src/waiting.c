#include "waiting.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "wire.h"

extern char **environ;

enum { READY_MS = 15 * 1000 };

/* Our end of the socket pair; the process has the other one as descriptor 3. -1: there is no process. */
static int handle = -1;

static bool await_ready(void) {
    /* The server sends nothing before HELLO: whatever can be read from it is its end. */
    struct pollfd waits[] = {{.fd = handle, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    char byte;
    int events;
    do
        events = poll(waits, 2, READY_MS);
    while (events < 0 && errno == EINTR);
    return events > 0 && waits[1].revents == 0 && read(handle, &byte, 1) == 1;
}

bool waiting_start(struct child *child, char **argv) {
    static struct command command; /* only its first fields are ever touched */
    struct start_failure failure;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    command.argv = argv;
    command.env = environ;
    bool started = child_start(child, &command, ends[1], &failure);
    close(ends[1]);
    handle = ends[0];
    return started && await_ready();
}

static bool send_all(const void *bytes, size_t size) {
    for (const char *at = bytes; size > 0;) {
        ssize_t sent = send(handle, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool send_number(size_t value) {
    uint8_t bytes[4];
    struct writer w = {.at = bytes, .end = bytes + sizeof bytes};
    write_uint(&w, value, sizeof bytes);
    return send_all(bytes, sizeof bytes);
}

static size_t length_of(char *const *list) {
    size_t length = 0;
    while (list[length] != NULL)
        length++;
    return length;
}

static bool send_strings(char *const *list) {
    for (; *list != NULL; list++)
        if (!send_number(strlen(*list)) || !send_all(*list, strlen(*list)))
            return false;
    return true;
}

bool waiting_exists(void) {
    return handle >= 0;
}

bool waiting_hand_over(struct child *child, const struct command *command) {
    child->started_us = clock_us();
    bool sent = send_number(length_of(command->argv)) && send_number(length_of(command->env)) &&
                send_strings(command->argv) && send_strings(command->env);
    close(handle);
    handle = -1;
    return sent && !child->ended;
}

void waiting_discard(struct child *child) {
    if (!waiting_exists())
        return;
    close(handle);
    handle = -1;
    child_sweep(child);
    for (int fd = 0; fd < 3; fd++)
        close(child->pipes[fd]);
    *child = (struct child){0};
}
