#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"

enum { KERNEL_SIGSET_BYTES = 8 };
enum { SWEEP_US = 2 * US_PER_S, SWEEP_STEP_NS = 2 * 1000 * 1000 };

/* The child reports twice at most, over a pipe that exec closes: when it is about to execute the
   program, and when it could not. */
enum report_kind { REPORT_READY, REPORT_SETUP_FAILED, REPORT_EXEC_FAILED };

struct report {
    enum report_kind kind;
    int error;
    int64_t at_us;
    const char *step; /* the child is a fork: its addresses are ours */
};

static void report(int fd, enum report_kind kind, const char *step) {
    struct report report = {.kind = kind, .error = errno, .at_us = clock_us(), .step = step};
    /* Smaller than PIPE_BUF into an empty pipe: all of it, at once. */
    if (write(fd, &report, sizeof report) != sizeof report)
        _exit(127);
}

/* ---- in the child ------------------------------------------------------------------------------ */

static void reset_signals(void) {
    /* The kernel's struct sigaction is smaller than this; all zero is SIG_DFL. Not by the C library,
       which refuses its own signals, and those too may have been ignored by whoever started us. */
    static const uint64_t standard[8];
    sigset_t none;
    for (int signal = 1; signal < NSIG; signal++)
        syscall(SYS_rt_sigaction, signal, standard, NULL, KERNEL_SIGSET_BYTES);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The agent must outlive the program when memory ends. The file belongs to root while the process is
   not dumpable, as it is here, so the child says for this moment that it is: no process but the agent
   exists yet. Where /proc is read-only the kernel chooses by size, which is right almost always. */
static void be_the_first_to_die(void) {
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "1000", 4);
    close(fd);
}

/* The agent's own poll of the CPU time is what counts. This backs it up where the agent itself does
   not get to run: one process that computes without end. */
static int limit_cpu(uint64_t cpu_us) {
    rlim_t seconds = cpu_us / US_PER_S + (cpu_us % US_PER_S != 0) + 1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_CPU, &limit) != 0)
        return -1;
    if (limit.rlim_max > seconds + 1)
        limit.rlim_max = seconds + 1;
    if (limit.rlim_cur > seconds)
        limit.rlim_cur = seconds;
    return setrlimit(RLIMIT_CPU, &limit);
}

static int limit_resources(uint64_t cpu_us) {
    struct rlimit no_core = {0};
    if (setrlimit(RLIMIT_CORE, &no_core) != 0)
        return -1;
    return cpu_us > 0 ? limit_cpu(cpu_us) : 0;
}

static const char *variable(char *const *env, const char *name) {
    size_t size = strlen(name);
    for (; *env != NULL; env++)
        if (strncmp(*env, name, size) == 0 && (*env)[size] == '=')
            return *env + size + 1;
    return NULL;
}

static bool worth_trying_on(int error) {
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENAMETOOLONG || error == ELOOP;
}

/* The C library's execvpe would search the agent's PATH, and run a file without format by a shell. */
static void exec_along_path(const struct command *command) {
    const char *name = command->argv[0], *path = variable(command->env, "PATH");
    bool denied = false;
    char file[PATH_MAX];
    size_t name_size = strlen(name);
    if (strchr(name, '/') != NULL || name_size == 0 || name_size > NAME_MAX) {
        execve(name, command->argv, command->env);
        return;
    }
    for (path = path != NULL ? path : "/usr/local/bin:/usr/bin:/bin"; path != NULL;) {
        size_t size = strcspn(path, ":");
        if (size + 1 + name_size < sizeof file) {
            memcpy(file, path, size);
            file[size] = '/';
            /* An empty entry is the working directory. */
            memcpy(file + size + (size > 0), name, name_size + 1);
            execve(file, command->argv, command->env);
            if (!worth_trying_on(errno))
                return;
            denied = denied || errno == EACCES;
        }
        path = path[size] == ':' ? path + size + 1 : NULL;
    }
    errno = denied ? EACCES : ENOENT;
}

/* dup2 of a descriptor to itself would leave it close-on-exec, so it is given another number first.
   Nothing that the child needs has the number of the handle: that one is the agent's signalfd. */
static bool lay_handle(int handle) {
    int copy = fcntl(handle, F_DUPFD_CLOEXEC, CHILD_HANDLE + 1);
    return copy >= 0 && dup2(copy, CHILD_HANDLE) >= 0;
}

static const char *become_the_program(const struct command *command, const int ends[3], int handle) {
    if (setsid() < 0)
        return "setsid";
    for (int fd = 0; fd < 3; fd++)
        if (dup2(ends[fd], fd) < 0)
            return "dup2";
    if (descriptors_close_on_exec(3) != 0)
        return "close_range";
    if (handle >= 0 && !lay_handle(handle))
        return "dup2";
    if (limit_resources(command->cpu_us) != 0)
        return "setrlimit";
    be_the_first_to_die();
    umask(022);
    reset_signals();
    return NULL;
}

static _Noreturn void run_child(const struct command *command, const int ends[3], int handle, int reports) {
    const char *failed = become_the_program(command, ends, handle);
    if (failed != NULL) {
        report(reports, REPORT_SETUP_FAILED, failed);
        _exit(127);
    }
    report(reports, REPORT_READY, "exec");
    exec_along_path(command);
    report(reports, REPORT_EXEC_FAILED, "exec");
    _exit(127);
}

/* ---- in the agent ------------------------------------------------------------------------------ */

struct pipes {
    int ours[3], theirs[3];
    int reports_from, reports_to;
};

static void close_all(int *fds, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* The agent makes the pipes, so they belong to the program's user too and /dev/stdout can be opened. */
static bool open_pipes(struct pipes *pipes) {
    int ends[2];
    for (int fd = 0; fd < 3; fd++) {
        if (pipe2(ends, O_CLOEXEC) != 0)
            return false;
        pipes->ours[fd] = ends[fd == STDIN_FILENO ? 1 : 0];
        pipes->theirs[fd] = ends[fd == STDIN_FILENO ? 0 : 1];
        if (fcntl(pipes->ours[fd], F_SETFL, O_NONBLOCK) != 0)
            return false;
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pipes->reports_from = ends[0];
    pipes->reports_to = ends[1];
    return true;
}

static bool read_report(int fd, struct report *report) {
    ssize_t got;
    do
        got = read(fd, report, sizeof *report);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof *report;
}

/* Waits until the program's image is executed: then exec has closed the pipe. */
static bool await_exec(int reports, struct child *child, struct start_failure *failure) {
    struct report last = {.kind = REPORT_SETUP_FAILED, .error = ECHILD, .step = "the child ended early"};
    if (read_report(reports, &last) && last.kind == REPORT_READY) {
        child->started_us = last.at_us;
        if (!read_report(reports, &last))
            return true;
    }
    *failure = (struct start_failure){
        .fault = last.kind == REPORT_EXEC_FAILED ? FAULT_EXEC : FAULT_AGENT,
        .error = last.error,
        .step = last.step,
    };
    return false;
}

static bool fork_child(const struct command *command, const struct pipes *pipes, int handle, struct child *child) {
    child->pid = fork();
    if (child->pid == 0)
        run_child(command, pipes->theirs, handle, pipes->reports_to);
    return child->pid > 0;
}

bool child_start(struct child *child, const struct command *command, int handle, struct start_failure *failure) {
    struct pipes pipes = {{-1, -1, -1}, {-1, -1, -1}, -1, -1};
    *failure = (struct start_failure){.fault = FAULT_AGENT, .step = "pipe"};
    bool forked = false;
    if (open_pipes(&pipes)) {
        failure->step = "fork";
        forked = fork_child(command, &pipes, handle, child);
    }
    failure->error = errno;
    close_all(pipes.theirs, 3);
    close_all(&pipes.reports_to, 1);
    bool started = forked && await_exec(pipes.reports_from, child, failure);
    close_all(&pipes.reports_from, 1);
    if (!started)
        close_all(pipes.ours, 3);
    memcpy(child->pipes, pipes.ours, sizeof child->pipes);
    return started;
}

bool child_reap(struct child *child) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != child->pid || child->ended)
            continue;
        child->ended = true;
        child->ended_us = clock_us();
        child->wait_status = status;
    }
    return pid < 0 && errno == ECHILD;
}

void child_sweep(struct child *child) {
    int64_t deadline = clock_us() + SWEEP_US;
    struct timespec step = {.tv_nsec = SWEEP_STEP_NS};
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    do {
        /* Again and again: what was forking while it was hit may have left a child behind. */
        kill(-1, SIGKILL);
        if (child_reap(child))
            return;
        sigtimedwait(&ended, NULL, &step);
    } while (clock_us() < deadline);
}
