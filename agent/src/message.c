#include "message.h"

#include <string.h>
#include <unistd.h>

#include "output.h"
#include "wire.h"

#ifndef BUILD_ID
#define BUILD_ID "dev"
#endif

#if defined(__x86_64__)
enum { ARCHITECTURE = 1 };
#elif defined(__aarch64__)
enum { ARCHITECTURE = 2 };
#else
#error "PROTOCOL.md names no number for this architecture"
#endif

enum { HELLO_NOT_DUMPABLE = 1, HELLO_PID_1 = 2 };
enum { CAPABILITY_RUN = 1, CAPABILITY_WAITING = 2 };
enum { FAULT_TEXT_MAX = 512, PAYLOAD_MAX = 6 + FAULT_TEXT_MAX };

_Static_assert(sizeof BUILD_ID <= PAYLOAD_MAX - 20, "BUILD_ID does not fit HELLO");

struct message {
    uint8_t payload[PAYLOAD_MAX];
    struct writer w;
};

static void begin(struct message *message) {
    message->w = (struct writer){.at = message->payload, .end = message->payload + sizeof message->payload};
}

static void end(struct message *message, enum frame_type type) {
    output_control(type, STREAM_STDIN, message->payload, (size_t)(message->w.at - message->payload));
}

void message_hello(enum usage_source cgroup, bool waiting) {
    struct message m;
    begin(&m);
    write_uint(&m.w, ARCHITECTURE, 1);
    write_uint(&m.w, cgroup, 1);
    write_uint(&m.w, HELLO_NOT_DUMPABLE | HELLO_PID_1, 1);
    write_uint(&m.w, 0, 1);
    write_uint(&m.w, getuid(), 4);
    write_uint(&m.w, CAPABILITY_RUN | (waiting ? CAPABILITY_WAITING : 0), 8);
    write_uint(&m.w, sizeof BUILD_ID - 1, 4);
    write_bytes(&m.w, BUILD_ID, sizeof BUILD_ID - 1);
    end(&m, FRAME_HELLO);
}

void message_started(void) {
    struct message m;
    begin(&m);
    end(&m, FRAME_STARTED);
}

void message_stdin_credit(size_t bytes) {
    struct message m;
    begin(&m);
    write_uint(&m.w, bytes, 4);
    end(&m, FRAME_CREDIT);
}

void message_result(const struct result *result) {
    struct message m;
    begin(&m);
    write_uint(&m.w, result->cause, 1);
    write_uint(&m.w, result->usage.source, 1);
    write_uint(&m.w, result->usage.known, 1);
    write_uint(&m.w, 0, 1);
    write_uint(&m.w, (uint32_t)result->exit_code, 4);
    write_uint(&m.w, (uint32_t)result->signal, 4);
    write_uint(&m.w, result->usage.oom_kills, 4);
    write_uint(&m.w, result->wall_us, 8);
    write_uint(&m.w, result->usage.cpu_us, 8);
    write_uint(&m.w, result->usage.memory_peak, 8);
    write_uint(&m.w, result->stdout_total, 8);
    write_uint(&m.w, result->stderr_total, 8);
    write_uint(&m.w, result->collect_us, 8);
    end(&m, FRAME_RESULT);
}

void message_fault(enum fault_code code, int error, const char *text) {
    struct message m;
    begin(&m);
    write_uint(&m.w, code, 2);
    write_uint(&m.w, (uint32_t)error, 4);
    write_bytes(&m.w, text, strnlen(text, FAULT_TEXT_MAX));
    end(&m, FRAME_FAULT);
}
