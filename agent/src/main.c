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
 * A sandbox may have a waiting process as well: a runtime that is up before its program is known. It is
 * started like a program, before HELLO, with one end of a socket pair as descriptor 3; RUN either hands
 * the program over to it, or kills it and starts a command as if it had never been.
 *
 * One loop does everything, and nothing in it blocks. Phases follow one another, never back:
 *
 *     AWAITING    files and RUN come in. No RUN within the idle time, or the waiting process ends: exit.
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
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "conversation.h"
#include "feed.h"
#include "files.h"
#include "input.h"
#include "message.h"
#include "outlet.h"
#include "output.h"
#include "startup.h"
#include "usage.h"
#include "waiting.h"

enum {
    DRAIN_GRACE_US = 1 * US_PER_S, /* past the wall time, for output that waits for credit */
    RUN_GRACE_US = 2 * US_PER_S,   /* past the wall time, for everything */
    FAREWELL_US = 1 * US_PER_S,
};

/* More than anybody waits, and far from where adding to it could overflow. */
static const uint64_t WALL_MAX_US = (uint64_t)365 * 24 * 3600 * US_PER_S;

enum phase { AWAITING, RUNNING, DRAINING, COLLECTING, LEAVING };

static enum phase phase = AWAITING;
static struct command command;
static struct conversation conversation = {.command = &command};
static struct child child;
static int child_signals;
static struct outlet outlets[2] = {{.stream = STREAM_STDOUT, .fd = -1}, {.stream = STREAM_STDERR, .fd = -1}};
static enum cause ended_by = CAUSE_EXITED; /* another one where the agent ended the command */
static struct usage usage;                 /* once the command ended */
static int64_t wall_deadline_us, drain_deadline_us;
static int64_t exit_deadline_us; /* of the idle time, then of the run, then of the farewell */

/* ---- the end of a command ---------------------------------------------------------------------- */

static void leave(int64_t now) {
    phase = LEAVING;
    if (exit_deadline_us < now + FAREWELL_US || wall_deadline_us == 0)
        exit_deadline_us = now + FAREWELL_US;
}

static void end_with_fault(enum fault_code code, int error, const char *text) {
    if (phase != AWAITING)
        child_sweep(&child);
    output_drop_data();
    output_identify(conversation.id);
    message_fault(code, error, text);
    leave(clock_us());
}

/* What outlasted the sweep counts as killed, which it is as soon as the kernel lets go of it. */
static int ending_signal(void) {
    if (!child.ended)
        return SIGKILL;
    return WIFSIGNALED(child.wait_status) ? WTERMSIG(child.wait_status) : 0;
}

static bool overflowed(void) {
    return command.kill_on_overflow && (outlet_overflowed(&outlets[0]) || outlet_overflowed(&outlets[1]));
}

/* A limit that was passed counts also where the command came to its end before it was noticed, so
   that the same program gets the same verdict each time. */
static enum cause judge(uint64_t wall_us) {
    if (ended_by != CAUSE_EXITED)
        return ended_by;
    if (overflowed())
        return CAUSE_OUTPUT;
    if (command.cpu_us > 0 && usage.cpu_us > command.cpu_us)
        return CAUSE_CPU;
    if (wall_us > command.wall_us)
        return CAUSE_WALL;
    return ending_signal() != 0 ? CAUSE_SIGNALED : CAUSE_EXITED;
}

static void end_with_result(int64_t now) {
    uint64_t wall_us = (uint64_t)(child.ended_us - child.started_us);
    int signal = ending_signal();
    struct result result = {
        .cause = judge(wall_us),
        .usage = usage,
        .exit_code = signal != 0 ? 128 + signal : WEXITSTATUS(child.wait_status),
        .signal = signal,
        .wall_us = wall_us,
        .stdout_total = outlets[0].total,
        .stderr_total = outlets[1].total,
        .collect_us = (uint64_t)(now - child.ended_us),
    };
    message_result(&result);
    leave(now);
}

/* The main process is over, by itself (CAUSE_EXITED) or now by `cause`: nothing of the command is left
   after this. */
static void end_command(enum cause cause) {
    ended_by = cause;
    child_sweep(&child);
    if (!child.ended)
        child.ended_us = clock_us();
    usage = usage_end();
    feed_close();
    phase = DRAINING;
}

/* ---- its start --------------------------------------------------------------------------------- */

static void set_deadlines(void) {
    uint64_t wall = command.wall_us < WALL_MAX_US ? command.wall_us : WALL_MAX_US;
    wall_deadline_us = child.started_us + (int64_t)wall;
    drain_deadline_us = wall_deadline_us + DRAIN_GRACE_US;
    exit_deadline_us = wall_deadline_us + RUN_GRACE_US;
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

static void grant_stdin(void) {
    size_t room = feed_room_to_grant();
    if (room == 0)
        return;
    conversation.stdin_credit += room;
    message_stdin_credit(room);
}

static bool start_command(void) {
    struct start_failure failure;
    if (command.waiting && !waiting_exists()) {
        end_with_fault(FAULT_PROTOCOL, 0, "RUN: WAITING, but no process waits");
        return false;
    }
    if (command.waiting) {
        usage_begin(child.pid);
        if (waiting_hand_over(&child, &command))
            return true;
        end_with_fault(FAULT_AGENT, 0, "the waiting process takes no program");
        return false;
    }
    waiting_discard(&child);
    usage_begin(0);
    if (child_start(&child, &command, -1, &failure))
        return true;
    end_with_fault(failure.fault, failure.error, failure.step);
    return false;
}

static void run(void) {
    output_identify(conversation.id);
    if (!start_command())
        return;
    phase = RUNNING;
    join_pipes();
    set_deadlines();
    grant_stdin();
    message_started();
}

/* ---- what comes in ----------------------------------------------------------------------------- */

static void take_file(const struct event *event, int error, const char *text) {
    if (error == 0 && event->complete)
        error = files_finish();
    if (error != 0)
        end_with_fault(FAULT_FILE, error, text);
}

/* A command that is over cannot be ended, but what it wrote need not wait for credit any longer. */
static void take_kill(void) {
    if (phase == RUNNING)
        end_command(CAUSE_KILLED);
    drain_deadline_us = 0;
}

static void take_event(const struct event *event) {
    switch (event->kind) {
    case EVENT_FILE: take_file(event, files_create(event->path, event->executable), event->path); break;
    case EVENT_FILE_DATA: take_file(event, files_write(event->bytes, event->size), "write"); break;
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

static void take_child_signals(void) {
    struct signalfd_siginfo ignored;
    while (read(child_signals, &ignored, sizeof ignored) > 0)
        ;
    child_reap(&child);
    if (child.ended && phase == AWAITING)
        _exit(0); /* what was waiting is gone: this sandbox cannot keep its promise */
    if (child.ended)
        end_command(CAUSE_EXITED);
}

/* ---- what goes on by itself -------------------------------------------------------------------- */

static void keep_time(int64_t now) {
    if (now >= exit_deadline_us)
        _exit(0);
    if (phase == RUNNING && now >= wall_deadline_us)
        end_command(CAUSE_WALL);
    if (phase == RUNNING && now >= usage_sample_due_us() && usage_sample(now, child.pid, command.cpu_us))
        end_command(CAUSE_CPU);
}

/* The two take turns: with one buffer for both, the first could starve the other. */
static bool move_output(int64_t now) {
    static int first;
    bool moved = false;
    for (int i = 0; i < 2; i++) {
        struct outlet *outlet = &outlets[(first + i) % 2];
        if (phase == DRAINING || outlet_is_ready(outlet, now))
            moved = outlet_read(outlet, now, phase == DRAINING) || moved;
    }
    first = 1 - first;
    return moved;
}

static bool relay(int64_t now) {
    feed_write();
    grant_stdin();
    bool moved = move_output(now);
    if (overflowed())
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

static bool collect(int64_t now) {
    switch (files_collect(&command)) {
    case COLLECT_MORE: return true;
    case COLLECT_WAITS: return false;
    case COLLECT_DONE: end_with_result(now); return true;
    case COLLECT_BROKEN: end_with_fault(FAULT_AGENT, errno, "a file could not be read to its end"); return true;
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

/* One step of what needs no event. True: there may be more to do at once. */
static bool advance(int64_t now) {
    bool more = false;
    keep_time(now);
    switch (phase) {
    case RUNNING: more = relay(now); break;
    case DRAINING: more = drain(now); break;
    case COLLECTING: more = collect(now); break;
    case AWAITING:
    case LEAVING: break;
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
        next = earliest(next, earliest(wall_deadline_us, usage_sample_due_us()));
        for (int i = 0; i < 2; i++)
            next = earliest(next, outlet_held_until(&outlets[i], now));
    }
    if (phase == DRAINING)
        next = earliest(next, drain_deadline_us);
    return next;
}

static int outlet_waits_for(const struct outlet *outlet, int64_t now) {
    return phase == RUNNING && outlet_is_ready(outlet, now) ? outlet->fd : -1;
}

/* A descriptor that is of no interest now is left out (-1), for else its POLLHUP would not let us sleep.
   Standard input is always of interest: its end is the server's. */
static void wait_for_events(int64_t us) {
    int64_t now = clock_us();
    struct pollfd waits[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = output_is_empty() ? 0 : POLLOUT},
        {.fd = phase <= RUNNING ? child_signals : -1, .events = POLLIN},
        {.fd = phase == RUNNING ? feed_waits_for() : -1, .events = POLLOUT},
        {.fd = outlet_waits_for(&outlets[0], now), .events = POLLIN},
        {.fd = outlet_waits_for(&outlets[1], now), .events = POLLIN},
    };
    struct timespec timeout = {.tv_sec = us > 0 ? us / US_PER_S : 0, .tv_nsec = us > 0 ? us % US_PER_S * 1000 : 0};
    if (ppoll(waits, sizeof waits / sizeof waits[0], &timeout, NULL) < 0)
        return; /* EINTR: the loop comes back */
    if (waits[1].revents & (POLLERR | POLLNVAL))
        _exit(0);
    if (waits[0].revents)
        take_input();
    if (waits[2].revents && phase <= RUNNING)
        take_child_signals();
}

int main(int argc, char **argv) {
    child_signals = startup_secure();
    enum usage_source cgroup = usage_open();
    int64_t idle_us = startup_idle_us(argc, argv);
    bool waiting = argc > 2;
    if (waiting && !waiting_start(&child, argv + 2))
        return 1;
    exit_deadline_us = clock_us() + idle_us;
    message_hello(cgroup, waiting);
    for (;;) {
        bool more = advance(clock_us());
        int64_t now = clock_us();
        wait_for_events(more ? 0 : next_deadline(now) - now);
    }
}
