#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct open_how and its flags: musl-gcc does not see the kernel's headers. */
struct open_how {
    uint64_t flags, mode, resolve;
};
enum { RESOLVE_NO_MAGICLINKS = 0x02, RESOLVE_NO_SYMLINKS = 0x04, RESOLVE_BENEATH = 0x08 };

static bool component_is_valid(const char *name, size_t size) {
    if (size == 0 || memchr(name, '\0', size) != NULL)
        return false;
    return !(name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')));
}

bool path_is_valid(const char *path, size_t size) {
    if (size == 0 || size > PATH_SIZE_MAX)
        return false;
    const char *end = path + size;
    for (int depth = 1; depth <= PATH_DEPTH_MAX; depth++) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        if (!component_is_valid(path, (size_t)((slash != NULL ? slash : end) - path)))
            return false;
        if (slash == NULL)
            return true;
        path = slash + 1;
    }
    return false;
}

static void close_keeping_errno(int fd) {
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
}

/* ENOTDIR is also what the kernel says of a symbolic link that O_DIRECTORY | O_NOFOLLOW meets. */
static int open_directory(int parent, const char *name) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 && errno == ENOTDIR && fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        errno = S_ISLNK(status.st_mode) ? ELOOP : ENOTDIR;
    return fd;
}

/* mkdirat obeys the agent's umask, hence the chmod; a directory that was there keeps its mode. */
static int make_directory(int parent, const char *name) {
    bool made = mkdirat(parent, name, 0755) == 0;
    if (!made && errno != EEXIST)
        return -1;
    int fd = open_directory(parent, name);
    if (fd >= 0 && made && fchmod(fd, 0755) != 0) {
        close_keeping_errno(fd);
        return -1;
    }
    return fd;
}

/* Goes down to the directory of the last component, one component at a time: what a kernel without
   openat2 needs, and what making directories needs on any. Returns its descriptor, or -1 with errno,
   and the last component in `*name`. `path` is cut up. */
static int walk(char *path, int (*enter)(int, const char *), const char **name) {
    int directory = openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *slash;
    while (directory >= 0 && (slash = strchr(path, '/')) != NULL) {
        *slash = '\0';
        int next = enter(directory, path);
        close_keeping_errno(directory);
        directory = next;
        path = slash + 1;
    }
    *name = path;
    return directory;
}

static int walk_and_open(const char *path, int (*enter)(int, const char *), int flags, unsigned mode) {
    char copy[PATH_SIZE_MAX + 1];
    const char *name;
    memcpy(copy, path, strlen(path) + 1);
    int directory = walk(copy, enter, &name);
    if (directory < 0)
        return -1;
    int fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    close_keeping_errno(directory);
    return fd;
}

int path_open(const char *path, int flags) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    /* EPERM is what an older engine's seccomp profile answers for a call that it does not know. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return walk_and_open(path, open_directory, flags, 0);
    return fd;
}

int path_create(const char *path, unsigned mode) {
    int fd = walk_and_open(path, make_directory, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd >= 0 && fchmod(fd, mode) != 0) {
        close_keeping_errno(fd);
        return -1;
    }
    return fd;
}
