#include "descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* musl-gcc does not see the kernel's headers. */
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

/* For a kernel without close_range, or a seccomp profile that does not know it: up to the limit, below
   which every descriptor is (a sandbox has a limit of some hundreds). */
static int for_each(unsigned from, int (*act)(int)) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    for (rlim_t fd = from; fd < limit.rlim_cur; fd++)
        act((int)fd);
    return 0;
}

static int set_close_on_exec(int fd) {
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int descriptors_close(unsigned from) {
    return syscall(SYS_close_range, from, ~0U, 0U) == 0 ? 0 : for_each(from, close);
}

int descriptors_close_on_exec(unsigned from) {
    return syscall(SYS_close_range, from, ~0U, CLOSE_RANGE_CLOEXEC) == 0 ? 0 : for_each(from, set_close_on_exec);
}
