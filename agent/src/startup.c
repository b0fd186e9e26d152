#include "startup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"

enum { IDLE_DEFAULT_S = 900, IDLE_MAX_S = 7 * 24 * 3600 };

static _Noreturn void refuse_to_run(const char *why) {
    (void)!write(STDERR_FILENO, why, strlen(why));
    _exit(1);
}

static void close_the_process_to_others(void) {
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        refuse_to_run("agent: cannot be made non-dumpable\n");
    if (getpid() != 1)
        refuse_to_run("agent: must be PID 1 of a sandbox: at its end it kills every process that it can see\n");
    umask(077);
}

/* Not blocking: the loop waits for many things at once. The third stream is not used, but a descriptor
   of the agent's must not take its number, over which the child lays the program's own. */
static void settle_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || (fd < STDERR_FILENO && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0))
            refuse_to_run("agent: the three standard streams must be open\n");
    }
    if (descriptors_close(STDERR_FILENO + 1) != 0)
        refuse_to_run("agent: cannot close inherited descriptors\n");
}

/* Blocked and without a handler: from inside of its namespace nobody can send PID 1 such a signal. */
static int take_signals_over(void) {
    sigset_t all, ended;
    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    int fd = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        refuse_to_run("agent: no signalfd\n");
    return fd;
}

int startup_secure(void) {
    close_the_process_to_others();
    settle_descriptors();
    return take_signals_over();
}

int64_t startup_idle_us(int argc, char **argv) {
    char *end = NULL;
    long seconds = argc > 1 ? strtol(argv[1], &end, 10) : IDLE_DEFAULT_S;
    if (seconds < 1 || seconds > IDLE_MAX_S || (end != NULL && *end != '\0'))
        refuse_to_run("usage: agent [seconds to wait for a command, 1 to 604800; default 900 [process to start ahead]]\n");
    return (int64_t)seconds * US_PER_S;
}
