#include "command.h"

#include <string.h>

#include "path.h"
#include "wire.h"

/* Where the next string and the next pointer to one go. A string's length field is longer than the
   NUL that replaces it, so the text of a frame always fits `text`. */
struct arena {
    struct reader *from;
    char **pointer, **pointers_end;
    char *text;
};

static bool copy_string(struct arena *arena) {
    size_t size = (size_t)read_uint(arena->from, 4);
    const uint8_t *bytes = read_bytes(arena->from, size);
    if (bytes == NULL || memchr(bytes, '\0', size) != NULL)
        return false;
    memcpy(arena->text, bytes, size);
    arena->text[size] = '\0';
    *arena->pointer++ = arena->text;
    arena->text += size + 1;
    return true;
}

static char **copy_list(struct arena *arena, size_t count) {
    char **list = arena->pointer;
    if (count >= (size_t)(arena->pointers_end - arena->pointer))
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!copy_string(arena))
            return NULL;
    *arena->pointer++ = NULL;
    return list;
}

enum { COMMAND_WAITING = 1 };

static bool env_is_valid(char *const *env) {
    for (; *env != NULL; env++) {
        const char *equals = strchr(*env, '=');
        if (equals == NULL || equals == *env)
            return false;
    }
    return true;
}

static bool paths_are_valid(char *const *paths) {
    for (; *paths != NULL; paths++)
        if (!path_is_valid(*paths, strlen(*paths)))
            return false;
    return true;
}

static const char *parse_lists(struct command *command, struct reader *r) {
    struct arena arena = {
        .from = r,
        .pointer = command->strings,
        .pointers_end = command->strings + sizeof command->strings / sizeof command->strings[0],
        .text = command->text,
    };
    size_t argc = (size_t)read_uint(r, 2), envc = (size_t)read_uint(r, 2);
    command->collect_count = (size_t)read_uint(r, 2);
    if (r->bad || argc == 0)
        return "RUN: needs an argument list of at least one";
    command->argv = copy_list(&arena, argc);
    command->env = command->argv == NULL ? NULL : copy_list(&arena, envc);
    command->collect = command->env == NULL ? NULL : copy_list(&arena, command->collect_count);
    if (command->collect == NULL)
        return "RUN: a string is cut off or holds a NUL";
    if (!env_is_valid(command->env))
        return "RUN: an environment string is not NAME=value";
    if (!paths_are_valid(command->collect))
        return "RUN: a path to collect is not relative and plain";
    return reader_left(r) == 0 ? NULL : "RUN: bytes after the last string";
}

const char *command_parse(struct command *command, const uint8_t *payload, size_t size) {
    struct reader r = {.at = payload, .end = payload + size};
    command->wall_us = read_uint(&r, 8);
    command->cpu_us = read_uint(&r, 8);
    for (int stream = STREAM_STDOUT; stream < STREAM_COUNT; stream++)
        command->cap[stream] = read_uint(&r, 8);
    for (int stream = STREAM_STDOUT; stream < STREAM_COUNT; stream++)
        command->credit[stream] = (uint32_t)read_uint(&r, 4);
    uint64_t overflow = read_uint(&r, 1), flags = read_uint(&r, 1);
    command->kill_on_overflow = overflow == 1;
    command->waiting = flags == COMMAND_WAITING;
    if (r.bad)
        return "RUN: shorter than its fixed fields";
    if (command->wall_us == 0)
        return "RUN: the wall time limit is zero";
    if (overflow > 1 || flags > COMMAND_WAITING)
        return "RUN: overflow is neither 0 nor 1, or a flag is unknown";
    return parse_lists(command, &r);
}
