/* Makes system calls without a library between and says how the kernel answered.
 *
 * Each line of standard input is a number and six arguments, in any notation of strtoul(3); each
 * line of standard output is "returned VALUE", "errno NUMBER" or "signal NUMBER". A line that begins
 * with "int80" goes through the 32-bit gate of amd64. Every call has a process of its own and two
 * seconds, so that one which blocks, exits or is killed takes no other with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct answer {
    long returned;
    int error;
};

static long through_32_bit_gate(unsigned long number) {
#ifdef __x86_64__
    long returned;
    __asm__ volatile("int $0x80" : "=a"(returned) : "a"(number) : "r8", "r9", "r10", "r11", "memory");
    return returned;
#else
    (void)number;
    errno = ENOSYS;
    return -1;
#endif
}

static void make_call(const char *line, struct answer *answer) {
    int compat = strncmp(line, "int80", 5) == 0;
    char *rest = (char *)line + (compat ? 5 : 0);
    unsigned long word[7];
    for (int i = 0; i < 7; i++) word[i] = strtoul(rest, &rest, 0);
    alarm(2);
    errno = 0;
    answer->returned = compat
        ? through_32_bit_gate(word[0])
        : syscall((long)word[0], word[1], word[2], word[3], word[4], word[5], word[6]);
    answer->error = errno;
    _exit(0);
}

int main(void) {
    /* shared memory, since a call may close or fill any pipe */
    struct answer *answer = mmap(NULL, sizeof *answer, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (answer == MAP_FAILED) return 1;
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) make_call(line, answer);
        int status;
        if (waitpid(child, &status, 0) != child) return 1;
        if (WIFSIGNALED(status)) printf("signal %d\n", WTERMSIG(status));
        else if (answer->returned == -1) printf("errno %d\n", answer->error);
        else printf("returned %ld\n", answer->returned);
        fflush(stdout);
    }
    return 0;
}
