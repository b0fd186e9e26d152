/* What C programs ask of the kernel: each need fails loudly, the last line is "ok". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* says which need failed, and why */
#define NEED(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d: %s: %s\n", __LINE__, #condition, strerror(errno)); \
            exit(1); \
        } \
    } while (0)

extern char **environ;
static int counted;

static void *count(void *lock) {
    pthread_mutex_lock(lock);
    counted++;
    pthread_mutex_unlock(lock);
    return NULL;
}

static int c11(void *unused) {
    (void)unused;
    return 7;
}

static void threads(void) {
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread[8];
    for (int i = 0; i < 8; i++) NEED((errno = pthread_create(&thread[i], NULL, count, &lock)) == 0);
    for (int i = 0; i < 8; i++) NEED(pthread_join(thread[i], NULL) == 0);
    NEED(counted == 8);
    thrd_t other;
    int result;
    NEED(thrd_create(&other, c11, NULL) == thrd_success);
    NEED(thrd_join(other, &result) == thrd_success && result == 7);
    pthread_mutexattr_t robust;
    NEED(pthread_mutexattr_init(&robust) == 0);
    NEED(pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST) == 0);
    NEED(pthread_setname_np(pthread_self(), "named") == 0);
    cpu_set_t cpus;
    NEED(pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus) == 0);
    NEED(pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus) == 0);
    pthread_attr_t attributes;
    NEED(pthread_getattr_np(pthread_self(), &attributes) == 0);
}

static void processes(void) {
    int status;
    pid_t child;
    char *argv[] = {"sh", "-c", "exit 3", NULL};
    NEED((errno = posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ)) == 0);
    NEED(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    NEED((child = fork()) >= 0);
    if (child == 0) _exit(4);
    NEED(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4);
    NEED((child = vfork()) >= 0);
    if (child == 0) _exit(5);
    NEED(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
    NEED(WEXITSTATUS(system("exit 6")) == 6);
    FILE *pipe = popen("echo x", "r");
    NEED(pipe && fgetc(pipe) == 'x' && pclose(pipe) == 0);
    NEED(kill(getpid(), 0) == 0);
}

static void memory(void) {
    int shared = shm_open("/needs", O_CREAT | O_RDWR, 0600);
    NEED(shared >= 0 && ftruncate(shared, 4096) == 0);
    NEED(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0) != MAP_FAILED);
    NEED(shm_unlink("/needs") == 0);
    int segment = shmget(IPC_PRIVATE, 4096, 0600);
    NEED(segment >= 0 && shmat(segment, NULL, 0) != (void *)-1 && shmctl(segment, IPC_RMID, NULL) == 0);
    sem_t *semaphore = sem_open("/needs", O_CREAT, 0600, 1);
    NEED(semaphore != SEM_FAILED && sem_wait(semaphore) == 0 && sem_unlink("/needs") == 0);
    struct mq_attr small = {.mq_maxmsg = 2, .mq_msgsize = 64};
    mqd_t queue = mq_open("/needs", O_CREAT | O_RDWR, 0600, &small);
    NEED(queue != (mqd_t)-1 && mq_send(queue, "x", 1, 0) == 0 && mq_unlink("/needs") == 0);
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(code != MAP_FAILED && mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    NEED(memfd_create("needs", 0) >= 0);
}

static void timers(void) {
    timer_t timer;
    NEED(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0 && timer_delete(timer) == 0);
    int descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec soon = {.it_value = {.tv_nsec = 1000}};
    unsigned long long expired;
    NEED(descriptor >= 0 && timerfd_settime(descriptor, 0, &soon, NULL) == 0);
    NEED(read(descriptor, &expired, sizeof expired) == sizeof expired);
    sigset_t none;
    sigemptyset(&none);
    NEED(signalfd(-1, &none, SFD_CLOEXEC) >= 0);
    struct timespec moment = {.tv_nsec = 1000};
    NEED(clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL) == 0);
}

static void files_and_interfaces(void) {
    int source = open("source", O_CREAT | O_RDWR | O_TRUNC, 0600);
    int target = open("target", O_CREAT | O_RDWR | O_TRUNC, 0600);
    NEED(source >= 0 && target >= 0 && write(source, "abc", 3) == 3);
    off_t start = 0;
    NEED(sendfile(target, source, &start, 3) == 3);
    start = 0;
    NEED(copy_file_range(source, &start, target, NULL, 3, 0) == 3);
    NEED(faccessat(AT_FDCWD, "source", R_OK, AT_EACCESS) == 0);
    NEED(fchmodat(AT_FDCWD, "source", 0644, AT_SYMLINK_NOFOLLOW) == 0);
    struct ifaddrs *interfaces;
    NEED(getifaddrs(&interfaces) == 0);
    struct rlimit limit;
    NEED(getrlimit(RLIMIT_STACK, &limit) == 0 && setrlimit(RLIMIT_STACK, &limit) == 0);
    NEED(syscall(SYS_close_range, source, target, 0) == 0);
}

int main(void) {
    threads();
    processes();
    memory();
    timers();
    files_and_interfaces();
    puts("ok");
    return 0;
}
