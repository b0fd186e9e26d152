/* Makes a PHP process wait, inside of its own start, until it is told what to run.
 *
 * Loaded as `php -d zend_extension=<this> [options] main.php`. The engine starts its extensions after all
 * modules and before it looks at its script and arguments: that is where this one waits. Then it says that it
 * could not start, so the engine forgets it, and does all that comes after by itself. What it cannot see any
 * more are its arguments, which a hook gives it at the one moment at which it takes them over for $argv.
 *
 * The command of the language is a shell's, which gives a program without an opening tag one. Here it is done
 * as the shell does it.
 */
#include "php.h" /* first: it says which features of the C library are wanted */

#include <fcntl.h>
#include <unistd.h>

#include "SAPI.h"
#include "zend_extensions.h"

enum { CHANNEL = 3, SHELL_WORDS = 4 /* sh -c SCRIPT sh, before the program's own */ };

static const char SCRIPT[] = "main.php", TAG[] = "<?php ";

static int program_argc;
static char **program_argv;

/* ---- the message: counts of argv and env, then the strings of both ----------------------------- */

static char *receive(size_t *size) {
    char *message = NULL;
    ssize_t got;
    *size = 0;
    do {
        message = realloc(message, *size + 65536);
        got = read(CHANNEL, message + *size, 65536);
        *size += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    close(CHANNEL);
    return message;
}

static uint32_t number_at(const char *bytes) {
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

/* `count` strings as a vector with NULL behind them; `at` moves past them. */
static char **take_strings(const char *message, size_t *at, uint32_t count) {
    char **strings = calloc((size_t)count + 1, sizeof *strings);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = number_at(message + *at);
        strings[i] = strndup(message + *at + sizeof size, size);
        *at += sizeof size + size;
    }
    return strings;
}

/* ---- the opening tag --------------------------------------------------------------------------- */

static bool has_opening_tag(const char *source, size_t size) {
    for (size_t i = 0; i + 2 < size; i++)
        if (source[i] == '<' && source[i + 1] == '?' &&
            (source[i + 2] == '=' || (i + 4 < size && strncasecmp(source + i + 2, "php", 3) == 0)))
            return true;
    return false;
}

static char *read_script(size_t *size) {
    struct stat stat;
    int fd = open(SCRIPT, O_RDONLY | O_CLOEXEC);
    *size = fd >= 0 && fstat(fd, &stat) == 0 ? (size_t)stat.st_size : 0;
    char *source = malloc(*size + 1);
    ssize_t got = fd >= 0 ? read(fd, source, *size) : 0;
    *size = got > 0 ? (size_t)got : 0;
    if (fd >= 0)
        close(fd);
    return source;
}

static void write_script(const char *source, size_t size) {
    FILE *file = fopen(SCRIPT, "w");
    if (file == NULL || fwrite(TAG, 1, strlen(TAG), file) != strlen(TAG) ||
        fwrite(source, 1, size, file) != size || fclose(file) != 0) {
        perror(SCRIPT);
        _exit(255);
    }
}

static void give_opening_tag(void) {
    size_t size;
    char *source = read_script(&size);
    if (size > 0 && !has_opening_tag(source, size))
        write_script(source, size);
    free(source);
}

/* ---- in the engine ----------------------------------------------------------------------------- */

/* Called once, when the request starts and before $argv is made. */
static int give_arguments(void) {
    sapi_module.activate = NULL;
    SG(request_info).argc = program_argc;
    SG(request_info).argv = program_argv;
    return SUCCESS;
}

static int take_over(char **argv, uint32_t argc, char **env) {
    clearenv();
    for (; *env != NULL; env++)
        putenv(*env);
    if (argc < SHELL_WORDS || strcmp(argv[0], "sh") != 0 || strcmp(argv[1], "-c") != 0) {
        execvp(argv[0], argv); /* not the command that is half done */
        _exit(127);
    }
    give_opening_tag();
    /* $argv begins with the name of the script, as the engine would have it. */
    program_argc = (int)argc - SHELL_WORDS + 1;
    program_argv = argv + SHELL_WORDS - 1;
    program_argv[0] = strdup(SCRIPT);
    sapi_module.activate = give_arguments;
    return FAILURE;
}

static int wait_for_program(zend_extension *extension) {
    size_t size, at = 2 * sizeof(uint32_t);
    (void)extension;
    if (write(CHANNEL, "", 1) != 1)
        _exit(255);
    char *message = receive(&size);
    if (size < at)
        _exit(0); /* nobody wants a program */
    uint32_t argc = number_at(message);
    char **argv = take_strings(message, &at, argc);
    char **env = take_strings(message, &at, number_at(message + sizeof argc));
    free(message);
    return take_over(argv, argc, env);
}

ZEND_DLEXPORT zend_extension_version_info extension_version_info = {
    ZEND_EXTENSION_API_NO, (char *)ZEND_EXTENSION_BUILD_ID};
ZEND_DLEXPORT zend_extension zend_extension_entry = {
    .name = "wait", .version = "1", .author = "", .URL = "", .copyright = "", .startup = wait_for_program,
    .resource_number = -1};
