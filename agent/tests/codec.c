/* The codec as a program of its own. It takes conversations, each a file of what a server may send, and
   tells on standard error what the agent reads there, a line for each event. On standard output it writes
   frames as the agent does, made of the very numbers that were read. No line and no frame depends on the
   machine, so two builds that differ in one byte show that one of them misreads or miswrites. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conversation.h"
#include "message.h"
#include "output.h"

enum { CONVERSATION_MAX = 1 << 20 };

static struct command command;

static bool is_plain(uint8_t byte) {
    return byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
}

static void tell_bytes(const void *bytes, size_t size) {
    fputs(" \"", stderr);
    for (const uint8_t *at = bytes; size > 0; at++, size--)
        fprintf(stderr, is_plain(*at) ? "%c" : "\\x%02x", (unsigned)*at);
    fputc('"', stderr);
}

static void tell_list(const char *name, char *const *list) {
    fprintf(stderr, " %s", name);
    for (; *list != NULL; list++)
        tell_bytes(*list, strlen(*list));
}

static void tell_command(void) {
    fprintf(stderr, " wall %llu cpu %llu", (unsigned long long)command.wall_us, (unsigned long long)command.cpu_us);
    for (int stream = STREAM_STDOUT; stream < STREAM_COUNT; stream++)
        fprintf(stderr, " stream %d cap %llu credit %lu", stream, (unsigned long long)command.cap[stream],
                (unsigned long)command.credit[stream]);
    fprintf(stderr, " overflow %d waiting %d", command.kill_on_overflow, command.waiting);
    tell_list("argv", command.argv);
    tell_list("env", command.env);
    tell_list("collect", command.collect);
}

static void tell(const struct event *event) {
    static const char *const names[] = {
        [EVENT_NONE] = "none",       [EVENT_FILE] = "file",           [EVENT_FILE_DATA] = "file data",
        [EVENT_RUN] = "run",         [EVENT_STDIN] = "stdin",         [EVENT_STDIN_END] = "stdin end",
        [EVENT_CREDIT] = "credit",   [EVENT_KILL] = "kill",           [EVENT_VIOLATION] = "violation",
    };
    fprintf(stderr, "%s stream %d executable %d complete %d size %zu", names[event->kind], (int)event->stream,
            event->executable, event->complete, event->size);
    tell_bytes(event->path, strlen(event->path));
    if (event->bytes != NULL)
        tell_bytes(event->bytes, event->size);
    if (event->kind == EVENT_RUN)
        tell_command();
    fprintf(stderr, " %s\n", event->reason != NULL ? event->reason : "");
}

/* Every field of RESULT bears what RUN brought: nothing comes of a command here. */
static void answer_run(void) {
    struct result result = {
        .cause = command.kill_on_overflow ? CAUSE_OUTPUT : CAUSE_EXITED,
        .usage = {.source = USAGE_RUSAGE,
                  .known = USAGE_KNOWS_CPU | USAGE_KNOWS_MEMORY,
                  .cpu_us = command.cpu_us,
                  .memory_peak = command.cap[STREAM_FILES],
                  .oom_kills = command.credit[STREAM_STDOUT]},
        .exit_code = (int)command.credit[STREAM_STDERR],
        .signal = -(int)command.collect_count,
        .wall_us = command.wall_us,
        .stdout_total = command.cap[STREAM_STDOUT],
        .stderr_total = command.cap[STREAM_STDERR],
        .collect_us = command.credit[STREAM_FILES],
    };
    message_started();
    message_result(&result);
}

static void answer(const struct event *event) {
    if (event->kind == EVENT_RUN)
        answer_run();
    if (event->kind == EVENT_STDIN)
        message_stdin_credit(event->size);
    if (event->kind == EVENT_VIOLATION)
        message_fault(FAULT_PROTOCOL, (int)event->size, event->reason);
    if (!output_flush() || !output_is_empty())
        _exit(1);
}

static void converse(const uint8_t *bytes, size_t size) {
    struct conversation conversation = {.command = &command};
    struct event event;
    size_t taken;
    do {
        taken = conversation_take(&conversation, bytes, size, &event);
        output_identify(conversation.id);
        tell(&event);
        answer(&event);
        /* As the agent does: room for stdin is granted once the command runs. */
        if (event.kind == EVENT_RUN)
            conversation.stdin_credit = FRAME_PAYLOAD_MAX;
        bytes += taken;
        size -= taken;
    } while (taken > 0);
    fprintf(stderr, "left %zu\n", size);
}

static bool converse_from(const char *name) {
    static uint8_t bytes[CONVERSATION_MAX];
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return false;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    bool whole = feof(file) && !ferror(file);
    fclose(file);
    if (whole)
        converse(bytes, size);
    return whole;
}

int main(int argc, char **argv) {
    static char lines[BUFSIZ]; /* a system call for each character costs an emulator most of its time */
    setvbuf(stderr, lines, _IOFBF, sizeof lines);
    for (int i = 1; i < argc; i++) {
        if (!converse_from(argv[i])) {
            fprintf(stderr, "%s: cannot be read, or is longer than %d bytes\n", argv[i], CONVERSATION_MAX - 1);
            return 1;
        }
    }
    return 0;
}
