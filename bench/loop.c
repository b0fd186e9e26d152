/*
 * Times a plain command again and again, inside a container: what a program costs with nothing around it.
 *
 *   loop FILE COMMAND [ARGUMENT...] [";;" COMMAND [ARGUMENT...]]...
 *
 * Each request on standard input is "LENGTH\n" and as many bytes of source. They are written to FILE, then
 * the commands run one after the other as long as they succeed, with their output on a pipe. The answer is
 * "NANOSECONDS EXIT LENGTH\n" and the output. The clock runs from before the first command is spawned until
 * the last one was waited for: fork, exec, the program, its output, its end. Writing FILE is not in it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 8, SOURCE = 1 << 20, OUTPUT = 1 << 16 };

extern char **environ;

static char source[SOURCE];
static char output[OUTPUT];
static size_t written;

static void fail(const char *what)
{
    fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
    exit(70);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void lay(const char *path, size_t length)
{
    FILE *file = fopen(path, "w");
    if (!file || fwrite(source, 1, length, file) != length || fclose(file))
        fail(path);
}

/* Output past the buffer is read and dropped: the command must never wait for us. */
static void drain(int fd)
{
    static char rest[4096];
    ssize_t n;
    do {
        size_t room = OUTPUT - written;
        n = room ? read(fd, output + written, room) : read(fd, rest, sizeof rest);
        if (n > 0 && room)
            written += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
}

static int run(char **argv)
{
    int ends[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC))
        fail("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    if (errno)
        fail(argv[0]);
    close(ends[1]);
    drain(ends[0]);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int split(int argc, char **argv, char ***commands)
{
    int count = 0;
    commands[count++] = argv + 2;
    for (int i = 2; i < argc; i++)
        if (!strcmp(argv[i], ";;")) {
            argv[i] = NULL;
            if (count == COMMANDS)
                return -1;
            commands[count++] = argv + i + 1;
        }
    for (int i = 0; i < count; i++)
        if (!commands[i][0])
            return -1;
    return count;
}

int main(int argc, char **argv)
{
    char **commands[COMMANDS], line[32];
    int count = argc > 2 ? split(argc, argv, commands) : -1;
    if (count < 0) {
        fputs("usage: loop FILE COMMAND [ARGUMENT...] [';;' COMMAND...]...\n", stderr);
        return 64;
    }
    while (fgets(line, sizeof line, stdin)) {
        size_t length = strtoul(line, NULL, 10);
        int status = 0;
        if (length > SOURCE || fread(source, 1, length, stdin) != length)
            fail("request");
        lay(argv[1], length);
        written = 0;
        int64_t began = now();
        for (int i = 0; i < count && !status; i++)
            status = run(commands[i]);
        printf("%lld %d %zu\n", (long long)(now() - began), status, written);
        fwrite(output, 1, written, stdout);
        fflush(stdout);
        /* As PID 1 we inherit what the command left behind. */
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
    return 0;
}
