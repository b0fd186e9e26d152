/* Feeds arbitrary bytes to everything that parses what the server says. Beside memory errors, which
   the sanitizers find, it checks what the rest of the agent relies on. */
#include <stdlib.h>
#include <string.h>

#include "conversation.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct command command;

static void require(bool truth) {
    if (!truth)
        abort();
}

static void check_command(void) {
    require(command.wall_us > 0 && command.argv[0] != NULL);
    for (char **list = command.strings; list < command.collect; list++)
        require(*list == NULL || strlen(*list) < sizeof command.text);
    for (size_t i = 0; i < command.collect_count; i++)
        require(path_is_valid(command.collect[i], strlen(command.collect[i])));
    require(command.collect[command.collect_count] == NULL);
}

static void check_event(const struct conversation *c, const struct event *event) {
    if (event->kind == EVENT_FILE)
        require(path_is_valid(event->path, strlen(event->path)) && event->complete == (c->file_left == 0));
    if (event->kind == EVENT_FILE_DATA || event->kind == EVENT_STDIN)
        require(event->size > 0 && event->size <= FRAME_PAYLOAD_MAX && event->bytes != NULL);
    if (event->kind == EVENT_CREDIT)
        require(event->stream >= STREAM_STDOUT && event->stream <= STREAM_FILES);
    if (event->kind == EVENT_RUN)
        check_command();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct conversation conversation = {.command = &command};
    struct event event;
    size_t taken;
    do {
        taken = conversation_take(&conversation, bytes, size, &event);
        require(taken <= size && (taken > 0 || event.kind == EVENT_NONE || event.kind == EVENT_VIOLATION));
        check_event(&conversation, &event);
        /* As the agent does: room for stdin is granted once the command runs. */
        if (event.kind == EVENT_RUN)
            conversation.stdin_credit = FRAME_PAYLOAD_MAX;
        bytes += taken;
        size -= taken;
    } while (taken > 0);
    return 0;
}
