/* Makes a Java virtual machine wait, inside of its own start, until it is told what to run.
 *
 * Loaded as `java -agentpath:<this> [options] -jar program.jar`. The machine tells its agents when it is up;
 * only then does the launcher open the program, so that is where this one waits. The launcher knows its own
 * command line alone, so the first call of a main method gets the program's arguments instead of those. The
 * launcher looks into the jar before all this too: a stand-in lies there until the agent takes it away.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jvmti.h>

enum { CHANNEL = 63 };

static const char PROGRAM[] = "program.jar";

static jvmtiEnv *tools;
static jniNativeInterface *standard_functions;
static jobjectArray arguments;

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

/* ---- arguments --------------------------------------------------------------------------------- */

/* By the constructor that decodes, as the launcher does it: JNI's own strings are not UTF-8. */
static jstring string_of(JNIEnv *env, const char *text) {
    jclass string = (*env)->FindClass(env, "java/lang/String");
    jmethodID decode = (*env)->GetMethodID(env, string, "<init>", "([B)V");
    jsize size = (jsize)strlen(text);
    jbyteArray bytes = (*env)->NewByteArray(env, size);
    (*env)->SetByteArrayRegion(env, bytes, 0, size, (const jbyte *)text);
    jstring made = (*env)->NewObject(env, string, decode, bytes);
    (*env)->DeleteLocalRef(env, bytes);
    return made;
}

static jobjectArray strings_of(JNIEnv *env, char **texts) {
    jsize count = 0;
    while (texts[count] != NULL)
        count++;
    jobjectArray strings = (*env)->NewObjectArray(env, count, (*env)->FindClass(env, "java/lang/String"), NULL);
    for (jsize i = 0; i < count; i++) {
        jstring string = string_of(env, texts[i]);
        (*env)->SetObjectArrayElement(env, strings, i, string);
        (*env)->DeleteLocalRef(env, string);
    }
    return strings;
}

static void JNICALL call_main(JNIEnv *env, jclass type, jmethodID method, ...) {
    jobjectArray local = (*env)->NewLocalRef(env, arguments);
    (*env)->DeleteGlobalRef(env, arguments);
    (*tools)->SetJNIFunctionTable(tools, standard_functions);
    (*tools)->DisposeEnvironment(tools);
    (*env)->CallStaticVoidMethod(env, type, method, local);
}

static void replace_arguments(JNIEnv *env, char **program_arguments) {
    jniNativeInterface *functions;
    arguments = (*env)->NewGlobalRef(env, strings_of(env, program_arguments));
    (*tools)->GetJNIFunctionTable(tools, &standard_functions);
    (*tools)->GetJNIFunctionTable(tools, &functions);
    functions->CallStaticVoidMethod = call_main;
    (*tools)->SetJNIFunctionTable(tools, functions);
}

/* What the launcher tells of itself: the jar and its arguments. */
static void set_command_property(JNIEnv *env, char **words) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    for (; *words != NULL; words++)
        fprintf(stream, "%s%s", *words, words[1] != NULL ? " " : "");
    fclose(stream);
    jclass system = (*env)->FindClass(env, "java/lang/System");
    jmethodID set = (*env)->GetStaticMethodID(
        env, system, "setProperty", "(Ljava/lang/String;Ljava/lang/String;)Ljava/lang/String;");
    (*env)->CallStaticObjectMethod(env, system, set, string_of(env, "sun.java.command"), string_of(env, text));
    free(text);
}

/* ---- in the virtual machine -------------------------------------------------------------------- */

/* The environment is not read by Java before it is asked for. */
static void take_over(JNIEnv *env, char **argv, char **variables) {
    clearenv();
    for (; *variables != NULL; variables++)
        putenv(*variables);
    char **jar = argv;
    while (*jar != NULL && strcmp(*jar, PROGRAM) != 0)
        jar++;
    if (*jar == NULL) {
        execvp(argv[0], argv); /* not the command that is half done */
        _exit(127);
    }
    if (jar[1] != NULL) {
        set_command_property(env, jar);
        replace_arguments(env, jar + 1);
    }
}

static void JNICALL machine_is_up(jvmtiEnv *jvmti, JNIEnv *env, jthread thread) {
    size_t size, at = 2 * sizeof(uint32_t);
    (void)jvmti, (void)thread;
    unlink(PROGRAM);
    if (write(CHANNEL, "", 1) != 1)
        _exit(255);
    char *message = receive(&size);
    if (size < at)
        _exit(0); /* nobody wants a program */
    char **argv = take_strings(message, &at, number_at(message));
    char **variables = take_strings(message, &at, number_at(message + sizeof(uint32_t)));
    free(message);
    take_over(env, argv, variables);
}

JNIEXPORT jint JNICALL Agent_OnLoad(JavaVM *vm, char *options, void *reserved) {
    jvmtiEventCallbacks callbacks = {.VMInit = machine_is_up};
    (void)options, (void)reserved;
    if ((*vm)->GetEnv(vm, (void **)&tools, JVMTI_VERSION_1_2) != JNI_OK)
        return JNI_ERR;
    (*tools)->SetEventCallbacks(tools, &callbacks, sizeof callbacks);
    return (*tools)->SetEventNotificationMode(tools, JVMTI_ENABLE, JVMTI_EVENT_VM_INIT, NULL) == 0 ? JNI_OK : JNI_ERR;
}
