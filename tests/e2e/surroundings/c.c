#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

static void check(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static void *answer_one(void *server) {
    int peer = accept(*(int *)server, NULL, NULL);
    check(write(peer, "ping", 4) == 4, "write");
    close(peer);
    return NULL;
}

static void loopback(void) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    check(getaddrinfo("localhost", "0", &hints, &found) == 0, "localhost");
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    check(bind(server, found->ai_addr, found->ai_addrlen) == 0 && listen(server, 1) == 0, "listen");
    struct sockaddr_in where;
    socklen_t size = sizeof where;
    getsockname(server, (struct sockaddr *)&where, &size);
    pthread_t thread;
    check(pthread_create(&thread, NULL, answer_one, &server) == 0, "thread");
    check(connect(client, (struct sockaddr *)&where, size) == 0, "connect");
    char answer[5] = "";
    check(read(client, answer, 4) == 4, "read");
    pthread_join(thread, NULL);
    puts(answer);
}

static void outside(void) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(80)};
    inet_pton(AF_INET, "192.0.2.1", &where.sin_addr);
    connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&where, sizeof where);
    printf("errno %d\n", errno);
}

static void write_and_read(const char *folder) {
    char path[32], text[32] = "";
    snprintf(path, sizeof path, "%s/ß", folder);
    FILE *file = fopen(path, "w+");
    check(file != NULL, path);
    fputs(folder, file);
    rewind(file);
    puts(fgets(text, sizeof text, file));
    fclose(file);
}

int main(void) {
    check(setlocale(LC_ALL, "") != NULL, "setlocale");
    wchar_t line[64];
    FILE *again = fopen("/dev/stdin", "r");
    check(again && fgetws(line, 64, again), "/dev/stdin");
    line[wcslen(line) - 1] = 0;
    printf("%ls %.0f\n", line, sqrt(pow(wcslen(line), 2)));
    fflush(stdout);
    again = fopen("/dev/stdout", "w");
    check(again != NULL, "/dev/stdout");
    fputs("written again\n", again);
    fclose(again);
    loopback();
    outside();
    write_and_read("/box");
    write_and_read("/tmp");
    puts(getenv("OMP_NUM_THREADS"));
}
