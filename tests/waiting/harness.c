/* The agent's side of a waiting process, and no more: it lays files, starts a command, and tells what
 * the command wrote and how it ended.
 *
 *     harness          sleeps: the first process of a container in which many observations are made
 *     harness run      reads a request from standard input and writes the answer to standard output
 *
 * A request is: how long the waiting process waits (a u32 of milliseconds), a list of files (path, content,
 * path, content ...), argv and env of the waiting process (an empty argv: none), argv and env of the program,
 * and what is written to its stdin, piece by piece.
 * A list is a u32 and that many strings; a string is a u32 and that many bytes, little-endian. The answer is a
 * u32 wait status, a u64 of nanoseconds from the handing over (or fork) to the end, and stdout and stderr
 * as strings. The container's working directory and /tmp are emptied first; every process is killed after.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_PAUSE_MS = 150, READY_MS = 15000, RUN_MS = 30000, PIPE_BYTES = 65536, OUTPUT_MAX = 16 << 20 };

struct string {
    uint32_t size;
    char *bytes; /* with a NUL behind them */
};

struct list {
    uint32_t count;
    struct string *strings;
};

struct output {
    int fd;
    struct string text;
};

static int children_ended;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "harness: %s: %s\n", what, strerror(errno));
    exit(125);
}

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- request and answer ------------------------------------------------------------------------ */

static void take(void *to, size_t size) {
    if (fread(to, 1, size, stdin) != size)
        fail("the request is too short");
}

static struct string take_string(void) {
    struct string string;
    take(&string.size, sizeof string.size);
    string.bytes = calloc(1, (size_t)string.size + 1);
    take(string.bytes, string.size);
    return string;
}

static struct list take_list(void) {
    struct list list;
    take(&list.count, sizeof list.count);
    list.strings = calloc(list.count + 1, sizeof *list.strings);
    for (uint32_t i = 0; i < list.count; i++)
        list.strings[i] = take_string();
    return list;
}

static void put(int fd, const void *bytes, size_t size) {
    for (const char *from = bytes; size > 0;) {
        ssize_t written = write(fd, from, size);
        if (written < 0)
            fail("write");
        from += written;
        size -= (size_t)written;
    }
}

static void put_string(int fd, const struct string *string) {
    put(fd, &string->size, sizeof string->size);
    put(fd, string->bytes, string->size);
}

/* ---- the working directory --------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *place) {
    (void)stat, (void)kind;
    return place->level > 0 ? remove(path) : 0;
}

static void lay_file(const struct string *path, const struct string *content) {
    for (char *slash = strchr(path->bytes, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path->bytes, 0777);
        *slash = '/';
    }
    int fd = open(path->bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        fail(path->bytes);
    put(fd, content->bytes, content->size);
    close(fd);
}

static void lay_files(const struct list *files) {
    for (uint32_t i = 0; i + 1 < files->count; i += 2)
        lay_file(&files->strings[i], &files->strings[i + 1]);
}

/* ---- the command ------------------------------------------------------------------------------- */

static char **vector(const struct list *list) {
    char **vector = calloc(list->count + 1, sizeof *vector);
    for (uint32_t i = 0; i < list->count; i++)
        vector[i] = list->strings[i].bytes;
    return vector;
}

static _Noreturn void become(const struct list *argv, const struct list *env, int channel) {
    sigset_t none;
    setsid();
    if (channel >= 0)
        dup2(channel, 3); /* the copy stays open over exec, as do 0, 1 and 2; all else is closed */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execvpe(argv->strings[0].bytes, vector(argv), vector(env));
    fail(argv->strings[0].bytes);
}

/* `ours` gets our ends of the command's stdin, stdout and stderr. */
static pid_t start(const struct list *argv, const struct list *env, int ours[3], int channel) {
    int theirs[3], ends[2];
    for (int fd = 0; fd < 3; fd++) {
        if (pipe2(ends, O_CLOEXEC) != 0)
            fail("pipe2");
        /* Out of the way of the numbers that the command's descriptors will have. */
        ours[fd] = fcntl(ends[fd == 0], F_DUPFD_CLOEXEC, 20);
        theirs[fd] = fcntl(ends[fd != 0], F_DUPFD_CLOEXEC, 20);
        close(ends[0]);
        close(ends[1]);
    }
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        for (int fd = 0; fd < 3; fd++)
            dup2(theirs[fd], fd);
        become(argv, env, channel);
    }
    for (int fd = 0; fd < 3; fd++)
        close(theirs[fd]);
    return pid;
}

/* A waiting process says nothing but that it is ready, and that once. */
static void await_ready(int channel, int its_stderr) {
    char said[4096];
    struct pollfd wait = {.fd = channel, .events = POLLIN};
    if (poll(&wait, 1, READY_MS) != 1 || read(channel, said, sizeof said) != 1) {
        kill(-1, SIGKILL);
        ssize_t size = read(its_stderr, said, sizeof said);
        put(STDERR_FILENO, said, size > 0 ? (size_t)size : 0);
        fail("the waiting process did not write its one byte");
    }
}

static void hand_over(int channel, const struct list *argv, const struct list *env) {
    char *message = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&message, &size);
    fwrite(&argv->count, sizeof argv->count, 1, stream);
    fwrite(&env->count, sizeof env->count, 1, stream);
    for (uint32_t i = 0; i < argv->count + env->count; i++) {
        const struct string *string =
            i < argv->count ? &argv->strings[i] : &env->strings[i - argv->count];
        fwrite(&string->size, sizeof string->size, 1, stream);
        fwrite(string->bytes, string->size, 1, stream);
    }
    fclose(stream);
    put(channel, message, size);
    close(channel);
}

/* ---- while it runs ----------------------------------------------------------------------------- */

/* False: its end was read. */
static bool read_output(struct output *output) {
    struct string *text = &output->text;
    text->bytes = realloc(text->bytes, text->size + PIPE_BYTES);
    ssize_t got = read(output->fd, text->bytes + text->size, PIPE_BYTES);
    if (got <= 0 || text->size + got > OUTPUT_MAX) {
        close(output->fd);
        output->fd = -1;
        return false;
    }
    text->size += (uint32_t)got;
    return true;
}

/* Pieces come one pause apart, the end one pause after the last. */
static void feed(int *fd, const struct list *pieces, uint32_t *next) {
    if (*next < pieces->count)
        put(*fd, pieces->strings[*next].bytes, pieces->strings[*next].size);
    *next += 1;
    if (*next >= pieces->count) {
        close(*fd);
        *fd = -1;
    }
}

static int64_t relay(int pipes[3], const struct list *pieces, struct output outputs[2], int64_t began) {
    uint32_t next_piece = 0;
    int64_t piece_due = began;
    for (;;) {
        int64_t now = now_ns();
        if (pipes[0] >= 0 && now >= piece_due) {
            feed(&pipes[0], pieces, &next_piece);
            piece_due = now + PIECE_PAUSE_MS * (int64_t)1000000;
        }
        struct pollfd waits[] = {
            {.fd = children_ended, .events = POLLIN},
            {.fd = outputs[0].fd, .events = POLLIN},
            {.fd = outputs[1].fd, .events = POLLIN},
        };
        poll(waits, 3, pipes[0] >= 0 ? PIECE_PAUSE_MS : 1000);
        for (int i = 0; i < 2; i++)
            if (waits[i + 1].revents)
                read_output(&outputs[i]);
        if (waits[0].revents)
            return now_ns();
        if (now > began + RUN_MS * (int64_t)1000000) {
            kill(-1, SIGKILL);
            errno = ETIMEDOUT;
            fail("the program did not end");
        }
    }
}

static void answer(int status, int64_t took_ns, const struct output outputs[2]) {
    put(STDOUT_FILENO, &status, sizeof status);
    put(STDOUT_FILENO, &took_ns, sizeof took_ns);
    put_string(STDOUT_FILENO, &outputs[0].text);
    put_string(STDOUT_FILENO, &outputs[1].text);
}

static pid_t start_waiting(const struct list *argv, const struct list *env, int pipes[3], int *channel) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        fail("socketpair");
    *channel = fcntl(ends[0], F_DUPFD_CLOEXEC, 20);
    int theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, 20);
    close(ends[0]);
    close(ends[1]);
    pid_t pid = start(argv, env, pipes, theirs);
    close(theirs);
    await_ready(*channel, pipes[2]);
    return pid;
}

static void observe(void) {
    uint32_t wait_ms;
    take(&wait_ms, sizeof wait_ms);
    struct list files = take_list(), waiting_argv = take_list(), waiting_env = take_list();
    struct list argv = take_list(), env = take_list(), pieces = take_list();
    int pipes[3], channel = -1, status = 0;
    pid_t pid = 0;
    if (waiting_argv.count > 0)
        pid = start_waiting(&waiting_argv, &waiting_env, pipes, &channel);
    if (pid > 0)
        poll(NULL, 0, (int)wait_ms);
    lay_files(&files);
    int64_t began = now_ns();
    if (pid > 0)
        hand_over(channel, &argv, &env);
    else
        pid = start(&argv, &env, pipes, -1);
    struct output outputs[2] = {{.fd = pipes[1]}, {.fd = pipes[2]}};
    int64_t ended = relay(pipes, &pieces, outputs, began);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    kill(-1, SIGKILL);
    for (int i = 0; i < 2; i++)
        while (outputs[i].fd >= 0 && read_output(&outputs[i]))
            ;
    answer(status, ended - began, outputs);
}

int main(int argc, char **argv) {
    (void)argv;
    sigset_t ended;
    if (argc < 2)
        for (;;) {
            /* As the first process of its namespace this one inherits what others leave. */
            while (waitpid(-1, NULL, 0) > 0)
                ;
            usleep(20000);
        }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ended, NULL);
    children_ended = fcntl(signalfd(-1, &ended, SFD_CLOEXEC), F_DUPFD_CLOEXEC, 20);
    umask(022);
    nftw("/box", remove_one, 16, FTW_DEPTH | FTW_PHYS);
    nftw("/tmp", remove_one, 16, FTW_DEPTH | FTW_PHYS);
    observe();
    return 0;
}
