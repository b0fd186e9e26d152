/* The agent: PID 1 of a sandbox. It runs one command for the server and tells what became of it.
 *
 * Theory of operation
 *
 * A sandbox is a container that nobody used before. Its first process is this program; the server has
 * attached to its standard input and output, and both speak the frames of PROTOCOL.md there. The
 * agent waits, says HELLO, lays down files as they come, and on RUN forks once: the child becomes the
 * program. Three pipes join the two, made by the agent:
 *
 *     server --0--> input --> feed ------pipe--> stdin  of the program
 *     server <--1-- output <-- outlet <--pipe--- stdout of the program
 *                          <-- outlet <--pipe--- stderr of the program
 *                          <-- files  (after the end)
 *
 * The program is hostile and has the agent's user id. What keeps them apart: the agent is not dumpable
 * (its binary is execute-only, and prctl says it again), so its memory and descriptors under /proc/1
 * are closed to that user; every descriptor is close-on-exec; and as PID 1 without a signal handler it
 * gets no signal from inside its own namespace. Hence no handler, ever: signals are blocked and read
 * from a signalfd. Frames are written by the agent alone; the program's bytes are only payload.
 *
 * One loop does everything, and nothing in it blocks. Phases follow one another, never back:
 *
 *     AWAITING    files and RUN come in. No RUN within the idle time: exit.
 *     RUNNING     the main process lives. Bytes go both ways as far as credit allows; where there is no
 *                 credit, or the server does not read, the program's pipe fills and the program waits,
 *                 while its wall time goes on. CPU time and memory are sampled.
 *     DRAINING    the main process ended, or a limit ended it. Everything else was killed and reaped
 *                 (so no file and no pipe changes any more); what the pipes still hold is sent.
 *     COLLECTING  the files that RUN named are sent.
 *     LEAVING     RESULT, or FAULT, is queued; at most a second later the agent exits, and the kernel
 *                 kills whatever could not be killed before.
 *
 * The end of standard input means that the server is gone: exit at once, from any phase. A run has a
 * deadline of its own, two seconds past its wall time, for an engine that died without closing the
 * stream. The agent's memory is its static buffers, which are not touched before they are needed: an
 * idle sandbox costs little, and the program's ru_maxrss, which starts from its parent's, stays true.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "conversation.h"
#include "descriptors.h"
#include "feed.h"
#include "files.h"
#include "input.h"
#include "outlet.h"
#include "output.h"
#include "usage.h"
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

enum { CAPABILITY_RUN = 1 };
enum { HELLO_NOT_DUMPABLE = 1, HELLO_PID_1 = 2 };

enum {
    IDLE_DEFAULT_S = 900,
    DRAIN_GRACE_US = 1 * US_PER_S, /* past the wall time, for output that waits for credit */
    RUN_GRACE_US = 2 * US_PER_S,   /* past the wall time, for everything */
    FAREWELL_US = 1 * US_PER_S,
    SAMPLE_FIRST_US = 2 * US_PER_MS,
    SAMPLE_LAST_US = 50 * US_PER_MS,
    FAULT_TEXT_MAX = 512,
};

/* More than anybody waits, and far from where adding to it could overflow. */
static const uint64_t WALL_MAX_US = (uint64_t)365 * 24 * 3600 * US_PER_S;

enum cause { CAUSE_EXITED, CAUSE_SIGNALED, CAUSE_WALL, CAUSE_CPU, CAUSE_OUTPUT, CAUSE_KILLED };

enum phase { AWAITING, RUNNING, DRAINING, COLLECTING, LEAVING };

static struct command command;
static struct conversation conversation = {.command = &command};
static struct child child;
static struct outlet outlets[2] = {{.stream = STREAM_STDOUT, .fd = -1}, {.stream = STREAM_STDERR, .fd = -1}};
static enum phase phase = AWAITING;
static enum cause ended_by = CAUSE_EXITED; /* another one where the agent ended the command */
static int signal_fd = -1;
static int64_t wall_deadline_us;
static int64_t drain_deadline_us;
static int64_t exit_deadline_us; /* of the phase that has one: idle time, run, farewell */
static int64_t sample_us, sample_interval_us = SAMPLE_FIRST_US;

/* ---- frames to the server ---------------------------------------------------------------------- */

static void send_control(enum frame_type type, enum stream stream, const uint8_t *payload, const struct writer *w) {
    output_control(type, stream, payload, (size_t)(w->at - payload));
}

static void say_hello(enum usage_source cgroup) {
    uint8_t payload[128];
    struct writer w = {.at = payload, .end = payload + sizeof payload};
    write_uint(&w, ARCHITECTURE, 1);
    write_uint(&w, cgroup, 1);
    write_uint(&w, HELLO_NOT_DUMPABLE | HELLO_PID_1, 1); /* verified by secure_process */
    write_uint(&w, 0, 1);
    write_uint(&w, getuid(), 4);
    write_uint(&w, CAPABILITY_RUN, 8);
    write_uint(&w, strlen(BUILD_ID), 4);
    write_bytes(&w, BUILD_ID, strlen(BUILD_ID));
    send_control(FRAME_HELLO, STREAM_STDIN, payload, &w);
}

static void grant_stdin(void) {
    uint8_t payload[4];
    struct writer w = {.at = payload, .end = payload + sizeof payload};
    size_t room = feed_room_to_grant();
    if (room == 0)
        return;
    conversation.stdin_credit += room;
    write_uint(&w, room, 4);
    send_control(FRAME_CREDIT, STREAM_STDIN, payload, &w);
}

static void leave(int64_t now) {
    phase = LEAVING;
    if (exit_deadline_us < now + FAREWELL_US || wall_deadline_us == 0)
        exit_deadline_us = now + FAREWELL_US;
}

static void end_with_fault(enum fault_code code, int error, const char *text) {
    uint8_t payload[6 + FAULT_TEXT_MAX];
    struct writer w = {.at = payload, .end = payload + sizeof payload};
    if (phase != AWAITING)
        child_sweep(&child);
    write_uint(&w, code, 2);
    write_uint(&w, (uint32_t)error, 4);
    write_bytes(&w, text, strnlen(text, FAULT_TEXT_MAX));
    output_drop_data();
    output_identify(conversation.id);
    send_control(FRAME_FAULT, STREAM_STDIN, payload, &w);
    leave(clock_us());
}

/* The exit status of the main process as a shell tells it; one that outlasted the sweep counts as killed. */
static int ending_signal(void) {
    if (!child.ended)
        return SIGKILL;
    return WIFSIGNALED(child.wait_status) ? WTERMSIG(child.wait_status) : 0;
}

static uint64_t wall_us(void) {
    return (uint64_t)((child.ended ? child.ended_us : clock_us()) - child.started_us);
}

/* A limit that was passed counts also where the command came to its end before it was noticed, so
   that the same program gets the same verdict each time. */
static enum cause judge(const struct usage *usage) {
    if (ended_by != CAUSE_EXITED)
        return ended_by;
    if (command.kill_on_overflow && (outlet_overflowed(&outlets[0]) || outlet_overflowed(&outlets[1])))
        return CAUSE_OUTPUT;
    if (command.cpu_us > 0 && usage->cpu_us > command.cpu_us)
        return CAUSE_CPU;
    if (wall_us() > command.wall_us)
        return CAUSE_WALL;
    return ending_signal() != 0 ? CAUSE_SIGNALED : CAUSE_EXITED;
}

static void end_with_result(const struct usage *usage) {
    uint8_t payload[128];
    struct writer w = {.at = payload, .end = payload + sizeof payload};
    int signal = ending_signal();
    int64_t now = clock_us();
    write_uint(&w, judge(usage), 1);
    write_uint(&w, usage->source, 1);
    write_uint(&w, usage->known, 1);
    write_uint(&w, 0, 1);
    write_uint(&w, (uint32_t)(signal != 0 ? 128 + signal : WEXITSTATUS(child.wait_status)), 4);
    write_uint(&w, (uint32_t)signal, 4);
    write_uint(&w, usage->oom_kills, 4);
    write_uint(&w, wall_us(), 8);
    write_uint(&w, usage->cpu_us, 8);
    write_uint(&w, usage->memory_peak, 8);
    write_uint(&w, outlets[0].total, 8);
    write_uint(&w, outlets[1].total, 8);
    write_uint(&w, (uint64_t)(now - child.ended_us), 8);
    send_control(FRAME_RESULT, STREAM_STDIN, payload, &w);
    leave(now);
}

/* ---- the command ------------------------------------------------------------------------------- */

static void set_deadlines(void) {
    uint64_t wall = command.wall_us < WALL_MAX_US ? command.wall_us : WALL_MAX_US;
    wall_deadline_us = child.started_us + (int64_t)wall;
    drain_deadline_us = wall_deadline_us + DRAIN_GRACE_US;
    exit_deadline_us = wall_deadline_us + RUN_GRACE_US;
    sample_us = child.started_us + sample_interval_us;
}

static void join_pipes(void) {
    feed_open(child.pipes[STDIN_FILENO]);
    for (int i = 0; i < 2; i++) {
        outlets[i].fd = child.pipes[outlets[i].stream];
        outlets[i].cap = command.cap[outlets[i].stream];
    }
    for (int stream = STREAM_STDOUT; stream < STREAM_COUNT; stream++)
        output_grant((enum stream)stream, command.credit[stream]);
}

static void run(void) {
    struct start_failure failure;
    output_identify(conversation.id);
    usage_begin();
    if (!child_start(&child, &command, &failure)) {
        end_with_fault(failure.fault, failure.error, failure.step);
        return;
    }
    join_pipes();
    set_deadlines();
    phase = RUNNING;
    grant_stdin();
    output_control(FRAME_STARTED, STREAM_STDIN, NULL, 0);
}

/* The main process is over, by itself or by `cause`: nothing of the command is left after this. */
static struct usage usage;

static void end_command(enum cause cause) {
    ended_by = cause;
    child_sweep(&child);
    usage = usage_end();
    feed_close();
    if (!child.ended)
        child.ended_us = clock_us();
    phase = DRAINING;
}

static void check_usage(int64_t now) {
    uint64_t left = SAMPLE_LAST_US;
    usage_sample_memory();
    if (command.cpu_us > 0) {
        uint64_t used = usage_cpu_us(child.pid);
        if (used > command.cpu_us) {
            end_command(CAUSE_CPU);
            return;
        }
        left = command.cpu_us - used;
    }
    /* Soon enough for a limit that is close, where the command computes on one processor. */
    int64_t wait = (uint64_t)sample_interval_us < left ? sample_interval_us : (int64_t)left;
    sample_us = now + (wait > SAMPLE_FIRST_US ? wait : SAMPLE_FIRST_US);
    sample_interval_us = sample_interval_us * 2 < SAMPLE_LAST_US ? sample_interval_us * 2 : SAMPLE_LAST_US;
}

/* ---- what comes in ----------------------------------------------------------------------------- */

static void take_file_part(int error, bool complete, const char *text) {
    if (error == 0 && complete)
        error = files_finish();
    if (error != 0)
        end_with_fault(FAULT_FILE, error, text);
}

static void take_kill(void) {
    if (phase == RUNNING)
        end_command(CAUSE_KILLED);
}

static void take_event(const struct event *event) {
    switch (event->kind) {
    case EVENT_FILE: take_file_part(files_create(event->path, event->executable), event->complete, event->path); break;
    case EVENT_FILE_DATA: take_file_part(files_write(event->bytes, event->size), event->complete, "write"); break;
    case EVENT_RUN: run(); break;
    case EVENT_STDIN: feed_take(event->bytes, event->size); break;
    case EVENT_STDIN_END: feed_end(); break;
    case EVENT_CREDIT: output_grant(event->stream, event->size); break;
    case EVENT_KILL: take_kill(); break;
    case EVENT_VIOLATION: end_with_fault(FAULT_PROTOCOL, 0, event->reason); break;
    case EVENT_NONE: break;
    }
}

static void take_input(void) {
    struct event event;
    if (!input_read())
        _exit(0); /* the server is gone; the kernel kills everything in the namespace with its PID 1 */
    bool more = true;
    while (more && phase != LEAVING) {
        more = input_next(&conversation, &event);
        take_event(&event);
    }
    if (phase == LEAVING)
        input_discard();
}

static void take_signals(void) {
    struct signalfd_siginfo ignored;
    while (read(signal_fd, &ignored, sizeof ignored) > 0)
        ;
    child_reap(&child);
    if (phase == RUNNING && child.ended)
        end_command(CAUSE_EXITED);
}

/* ---- what goes on by itself -------------------------------------------------------------------- */

static bool move_output(int64_t now) {
    static int first; /* takes turns: with one buffer for both, the first could starve the other */
    bool moved = false;
    for (int i = 0; i < 2; i++) {
        struct outlet *outlet = &outlets[(first + i) % 2];
        if (phase == DRAINING || outlet_is_ready(outlet, now))
            moved = outlet_read(outlet, now, phase == DRAINING) || moved;
    }
    first = (first + 1) % 2;
    if (phase == RUNNING && command.kill_on_overflow && (outlet_overflowed(&outlets[0]) || outlet_overflowed(&outlets[1])))
        end_command(CAUSE_OUTPUT);
    return moved;
}

static bool drain(int64_t now) {
    if (now >= drain_deadline_us)
        outlets[0].dropping = outlets[1].dropping = true;
    bool moved = move_output(now);
    if (outlets[0].fd < 0 && outlets[1].fd < 0)
        phase = COLLECTING;
    return moved || phase == COLLECTING;
}

static bool collect(void) {
    switch (files_collect(&command)) {
    case COLLECT_MORE: return true;
    case COLLECT_WAITS: return false;
    case COLLECT_DONE: end_with_result(&usage); return true;
    case COLLECT_BROKEN: end_with_fault(FAULT_AGENT, errno, "a collected file could not be read to its end"); return true;
    }
    return false;
}

/* True: what was waiting is written, so there is room for the next frame. */
static bool flush(int64_t now) {
    if (output_is_empty())
        return false;
    if (!output_flush())
        _exit(0);
    if (phase == LEAVING && output_is_empty())
        exit_deadline_us = now + FAREWELL_US;
    return output_is_empty();
}

static void keep_time(int64_t now) {
    if (now >= exit_deadline_us)
        _exit(0);
    if (phase == RUNNING && now >= wall_deadline_us)
        end_command(CAUSE_WALL);
    if (phase == RUNNING && now >= sample_us)
        check_usage(now);
}

/* One step of what needs no event. True: there may be more to do at once. */
static bool advance(int64_t now) {
    keep_time(now);
    bool more = false;
    if (phase == RUNNING) {
        feed_write();
        grant_stdin();
        more = move_output(now);
    } else if (phase == DRAINING) {
        more = drain(now);
    } else if (phase == COLLECTING) {
        more = collect();
    }
    return flush(now) || more;
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static int64_t earliest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_deadline(int64_t now) {
    int64_t next = exit_deadline_us;
    if (phase == RUNNING) {
        next = earliest(next, earliest(wall_deadline_us, sample_us));
        for (int i = 0; i < 2; i++)
            next = earliest(next, outlet_held_until(&outlets[i], now));
    }
    if (phase == DRAINING)
        next = earliest(next, drain_deadline_us);
    return next;
}

/* A negative descriptor is not waited for: POLLHUP of one that we do not want to read would not let us sleep. */
static void wait_for_events(int64_t us) {
    int64_t now = clock_us();
    struct pollfd waits[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = output_is_empty() ? 0 : POLLOUT},
        {.fd = phase == RUNNING ? signal_fd : -1, .events = POLLIN},
        {.fd = phase == RUNNING ? feed_waits_for() : -1, .events = POLLOUT},
        {.fd = phase == RUNNING && outlet_is_ready(&outlets[0], now) ? outlets[0].fd : -1, .events = POLLIN},
        {.fd = phase == RUNNING && outlet_is_ready(&outlets[1], now) ? outlets[1].fd : -1, .events = POLLIN},
    };
    struct timespec timeout = {.tv_sec = us > 0 ? us / US_PER_S : 0, .tv_nsec = us > 0 ? us % US_PER_S * 1000 : 0};
    if (ppoll(waits, sizeof waits / sizeof waits[0], &timeout, NULL) < 0)
        return; /* EINTR: the loop comes back */
    if (waits[1].revents & (POLLERR | POLLNVAL))
        _exit(0);
    if (waits[0].revents)
        take_input();
    if (waits[2].revents)
        take_signals();
}

static _Noreturn void loop(void) {
    for (;;) {
        int64_t now = clock_us();
        bool more = advance(now);
        wait_for_events(more ? 0 : next_deadline(now) - clock_us());
    }
}

/* ---- start ------------------------------------------------------------------------------------- */

static _Noreturn void refuse_to_run(const char *why) {
    (void)!write(STDERR_FILENO, why, strlen(why));
    _exit(1);
}

/* First of all, while no other process exists: see "What keeps them apart" above. */
static void secure_process(void) {
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        refuse_to_run("agent: cannot be made non-dumpable\n");
    if (getpid() != 1)
        refuse_to_run("agent: must be PID 1 of a sandbox: at its end it kills every process that it can see\n");
    umask(077);
    if (descriptors_close(3) != 0)
        refuse_to_run("agent: cannot close inherited descriptors\n");
}

static void take_signals_over(void) {
    sigset_t all, ended;
    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    signal_fd = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0)
        refuse_to_run("agent: no signalfd\n");
}

static void unblock_stdio(void) {
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
            refuse_to_run("agent: standard input and output must be open\n");
    }
}

static int64_t idle_us(int argc, char **argv) {
    long seconds = IDLE_DEFAULT_S;
    char *end = NULL;
    if (argc > 1)
        seconds = strtol(argv[1], &end, 10);
    if (argc > 2 || seconds < 1 || seconds > 7 * 24 * 3600 || (end != NULL && *end != '\0'))
        refuse_to_run("usage: agent [seconds to wait for a command, 1 to 604800; default 900]\n");
    return (int64_t)seconds * US_PER_S;
}

int main(int argc, char **argv) {
    secure_process();
    take_signals_over();
    unblock_stdio();
    exit_deadline_us = clock_us() + idle_us(argc, argv);
    say_hello(usage_open());
    loop();
}
