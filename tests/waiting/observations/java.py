"""What Java programs can see of their virtual machine."""

from __future__ import annotations

from tests.waiting.observations import Differs, Same, StartsCold, Table, code
from tests.waiting.sandbox import Program

_PROGRAM = """\
import java.io.*;
import java.lang.management.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Main {
    public static void main(String[] args) throws Exception {
%s
    }
}
"""


def _body(text: str) -> str:
    return _PROGRAM % code(text)


def _same(
    name: str, text: str, shows: str, exit_code: int = 0, mask: str = r"(?!)", **request: object
) -> Same:
    source = text if "class Main" in text else _body(text)
    return Same(name, Program(source, **request), shows, exit_code, mask)  # type: ignore[arg-type]


IDENTITY = [
    _same(
        "arguments",
        """
        System.out.println(args.length + Arrays.toString(args) + args.getClass());
        System.out.println(System.getProperty("sun.java.command"));
        """,
        "3[-x, ä b, ]class",
        args=("-x", "ä b", ""),
    ),
    _same(
        "no arguments",
        'System.out.println(args.length + System.getProperty("sun.java.command"));',
        "0program.jar",
    ),
    _same(
        "arguments past the plane of 16 bits",
        "System.out.println(args[0].codePointAt(0));",
        "128512",
        args=("\U0001f600",),
    ),
    _same(
        "properties",
        """
        new TreeMap<>(System.getProperties()).forEach((k, v) -> System.out.println(k + "=" + v));
        """,
        "java.class.path=program.jar",
    ),
    _same(
        "the main class",
        """
        Class<?> self = Main.class;
        System.out.println(self + " " + self.getModule() + self.getProtectionDomain().getCodeSource());
        System.out.println(self.getClassLoader().getName() + ClassLoader.getSystemClassLoader().getName());
        System.out.println(self.getResource("Main.class") + " " + self.getResource("/absent"));
        """,
        "class Main unnamed module",
        mask=r"@[0-9a-f]+",
    ),
    _same(
        "frames beneath the program",
        """
        new Throwable("here").printStackTrace();
        System.out.println((Object) StackWalker.getInstance().walk(f -> f.toList()));
        System.out.println(Thread.currentThread().getStackTrace().length);
        """,
        "java.lang.Throwable: here\n\tat Main.main(Main.java:11)\n",
    ),
    _same(
        "threads",
        """
        Thread main = Thread.currentThread();
        System.out.println(main + " " + main.getId() + main.isDaemon());
        System.out.println(main.getContextClassLoader().getName());
        Thread.getAllStackTraces().keySet().stream().map(Thread::toString).sorted().forEach(System.out::println);
        System.out.println(new Thread() + " " + Thread.ofVirtual().unstarted(() -> {}));
        """,
        "Thread[#1,main,5,main] 1false",
    ),
    _same(
        "hashes of objects",
        'System.out.println(new Object() + " " + new int[0] + args.hashCode());',
        "java.lang.Object@",
    ),
    _same(
        "modules",
        "System.out.println(new "
        "TreeSet<>(ModuleLayer.boot().modules().stream().map(Module::getName).toList()));",
        "java.base",
    ),
    _same(
        "descriptors",
        """
        for (String fd : new TreeSet<>(List.of(new File("/proc/self/fd").list())))
            System.out.println(fd + " " + (Files.isSymbolicLink(Path.of("/proc/self/fd", fd))
                ? Files.readSymbolicLink(Path.of("/proc/self/fd", fd)) : ""));
        System.out.println(Path.of("").toAbsolutePath() + Arrays.toString(new File(".").list()));
        """,
        "4 /box/program.jar",
        mask=r":\[[0-9]+\]|/proc/[0-9]+",
    ),
    _same(
        "rights and limits",
        """
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.matches("(Sig[^Q]|Shd|Cap|NoNew|Threads|Uid).*")) System.out.println(line);
        Runtime runtime = Runtime.getRuntime();
        System.out.println(runtime.maxMemory() + " " + runtime.availableProcessors());
        for (var bean : ManagementFactory.getGarbageCollectorMXBeans()) System.out.println(bean.getName());
        """,
        "Uid:\t123456",
    ),
    _same(
        "executable", "System.out.println(ProcessHandle.current().info().command());", "/bin/java"
    ),
    _same(
        "diagnostic options",
        """
        var bean = ManagementFactory.getPlatformMXBean(com.sun.management.HotSpotDiagnosticMXBean.class);
        for (var option : bean.getDiagnosticOptions()) System.out.println(option);
        """,
        "HeapDumpOnOutOfMemoryError",
    ),
]

ENDS = [
    _same(
        "uncaught exception",
        """
        try {
            Object o = null;
            o.hashCode();
        } catch (NullPointerException e) {
            throw new IllegalStateException("chained", e);
        }
        """,
        'Exception in thread "main" java.lang.IllegalStateException: chained\n\tat '
        "Main.main(Main.java:15)\nCaused by",
        1,
    ),
    _same(
        "static initialiser",
        'class Main { static { System.out.println("static"); } public static void main(String[] '
        'a) { System.out.println("main"); } }',
        "static\nmain",
    ),
    _same(
        "static initialiser that fails",
        "class Main { static int n = 1 / 0; public static void main(String[] a) { } }",
        "ExceptionInInitializerError\nCaused by: java.lang.ArithmeticException: / by zero\n\tat "
        "Main.<clinit>(Main.java:1)",
        1,
    ),
    _same(
        "another class holds main",
        "package a.b; interface Other {} class Main2 {} class MainClass { public static void "
        'main(String... a) { System.out.println("varargs " + a.length + MainClass.class); } }',
        "varargs 2class a.b.MainClass",
        args=("x", "y"),
    ),
    _same("exit", "System.exit(7);", "", 7),
    _same(
        "exit of a thread", "new Thread(() -> System.exit(3)).start(); Thread.sleep(5000);", "", 3
    ),
    _same("halt", "Runtime.getRuntime().halt(4);", "", 4),
    _same(
        "exit hooks",
        """
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        new Thread(() -> {
            try { Thread.sleep(100); } catch (InterruptedException e) { }
            System.out.println("late");
        }).start();
        Thread daemon = new Thread(() -> { while (true); });
        daemon.setDaemon(true);
        daemon.start();
        System.out.println("main");
        """,
        "main\nlate\nhook",
    ),
    _same(
        "exception in a thread",
        'Thread t = new Thread(() -> { throw new RuntimeException("x"); }); t.start(); t.join(); '
        'System.out.println("on");',
        'Exception in thread "Thread-0"',
    ),
    _same(
        "handler of uncaught exceptions",
        'Thread.setDefaultUncaughtExceptionHandler((t, e) -> System.out.println(t + "" + e)); '
        'throw new Exception("x");',
        "Thread[#1,main,5,main]java.lang.Exception: x",
        1,
    ),
    _same(
        "recursion",
        'try { f(0); } catch (StackOverflowError e) { System.out.println(e + " " + '
        "e.getStackTrace().length); } } static int f(int n) { return f(n + 1) + 1;",
        "java.lang.StackOverflowError 1024",
    ),
    _same(
        "uncaught recursion",
        "f(0); } static int f(int n) { return f(n + 1) + 1;",
        "java.lang.StackOverflowError\n\tat Main.f(Main.java:",
        1,
    ),
    _same(
        "memory",
        "List<int[]> all = new ArrayList<>(); while (true) all.add(new int[1 << 20]);",
        "java.lang.OutOfMemoryError: Java heap space",
        1,
    ),
    _same("failed assertion", 'assert false; System.out.println("not checked");', "not checked"),
]

STREAMS = [
    _same(
        "text from stdin",
        "Scanner s = new Scanner(System.in); System.out.println(s.nextLine() + s.nextInt() + "
        "s.hasNext());",
        "ä2false",
        stdin=("ä\n2\n",),
    ),
    _same(
        "bytes from stdin",
        "System.out.println(Arrays.toString(System.in.readAllBytes()));",
        "[0, -1, 10]",
        stdin=(b"\0\xff\n",),
    ),
    _same(
        "end of stdin", 'System.out.println(System.in.read() + " " + System.console());', "-1 null"
    ),
    _same(
        "interactive reads",
        "var in = new BufferedReader(new InputStreamReader(System.in)); for (String l; (l = "
        'in.readLine()) != null; ) System.out.println("got " + l);',
        "got b\n",
        stdin=("a\n", "b\n"),
    ),
    _same(
        "encodings and locale",
        """
        System.out.println(Charset.defaultCharset() + " " + System.out.charset() + System.err.charset());
        System.out.println("ä\\ud800€" + Locale.getDefault() + " " + String.format("%,.2f", 1234.5));
        System.out.println(Locale.getDefault(Locale.Category.FORMAT));
        """,
        "UTF-8 UTF-8UTF-8",
    ),
    _same(
        "both streams",
        'System.err.print("e"); System.out.print("a"); System.out.flush(); new '
        "FileOutputStream(FileDescriptor.out).write(98);",
        "ab",
    ),
    _same("much output", 'System.out.print("x".repeat(300000) + "end");', "xend"),
]

PROCESSES = [
    *(
        _same(
            f"SIG{name} to itself",
            f'new ProcessBuilder("sh", "-c", "kill -{name} $PPID").start(); Thread.sleep(5000);',
            "",
            status,
        )
        for name, status in (("INT", 130), ("TERM", 143), ("KILL", 137))
    ),
    _same(
        "dump of threads",
        'new ProcessBuilder("sh", "-c", "kill -QUIT $PPID").start().waitFor(); Thread.sleep(200);',
        "Full thread dump",
        # Where each thread is just then differs.
        mask=r"(?s)[0-9].+",
    ),
    _same(
        "child processes",
        'Process p = new ProcessBuilder("sh", "-c", "env | sort; ls /proc/self/fd; exit '
        '4").inheritIO().start(); System.out.println(p.waitFor());',
        "\n4\n",
    ),
    _same(
        "another virtual machine",
        """
        var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        var command = new ProcessBuilder(java, "-XX:+UseSerialGC", "-cp", "program.jar", "Main", "x");
        System.out.println(args.length + " " + System.getenv("JAVA_TOOL_OPTIONS"));
        if (args.length == 0) System.exit(command.inheritIO().start().waitFor());
        """,
        "0 null\n1 null",
    ),
    _same(
        "a child reads stdin",
        'new ProcessBuilder("cat").inheritIO().start().waitFor();',
        "for the child",
        stdin=("for the child",),
    ),
    _same(
        "pools of threads",
        "try (var pool = Executors.newVirtualThreadPerTaskExecutor()) { "
        "System.out.println(pool.submit(() -> 5).get()); } System.out.println(IntStream.range(0, "
        "99).parallel().sum() + ForkJoinPool.commonPool().getParallelism());",
        "5\n",
    ),
    _same(
        "futures and timers",
        "System.out.println(CompletableFuture.supplyAsync(() -> 2).thenApply(n -> n * 3).get()); "
        "var t = new java.util.Timer(true); Thread.sleep(10);",
        "6",
    ),
    _same(
        "clocks",
        "long a = System.nanoTime(); Thread.sleep(100); long d = System.nanoTime() - a; "
        "System.out.println(d > 99e6 && d < 900e6);",
        "true",
        waited_ms=1000,
    ),
    _same(
        "lambdas, strings, records",
        'record P(int a) {} Runnable r = () -> System.out.println(new P(1) + "x" + List.of(1, '
        '2)); r.run(); System.out.printf("%s%n", Map.of(1, 2));',
        "P[a=1]x[1, 2]",
    ),
    _same(
        "reflection and native access",
        'System.out.println(Main.class.getMethod("main", String[].class) + " " + new '
        "Main().getClass().getDeclaredMethods().length);",
        "public static void Main.main",
    ),
    _same(
        "regular expressions, time, numbers",
        'System.out.println("a1b".replaceAll("[0-9]", "-") + java.time.Instant.EPOCH + new '
        'java.math.BigInteger("9").pow(30));',
        "a-b1970-01-01T00:00:00Z",
    ),
]

ENVIRONMENT = [
    _same(
        "variables",
        'System.out.println(new TreeMap<>(System.getenv()) + System.getenv("COLOUR") + '
        'System.getenv("ABSENT"));\n'
        'new ProcessBuilder("sh", "-c", "env | sort").inheritIO().start().waitFor();\n',
        "grünnull",
        env={"COLOUR": "grün", "ODD": "a=b=", "EMPTY": ""},
    ),
    _same("order of variables", "System.out.println(System.getenv().keySet());", "PATH"),
    _same(
        "time zone",
        "System.out.println(TimeZone.getDefault().getID() + new Date(0));",
        "Asia/TokyoThu Jan 01 09:00:00 JST 1970",
        env={"TZ": "Asia/Tokyo"},
    ),
    _same(
        "files of the program's own",
        'System.out.println(Files.readString(Path.of("data.txt")) + '
        'Main.class.getResource("/data.txt") + Helper.ANSWER);',
        "of the file\nfile:/box/data.txt42",
        files={
            "data.txt": "of the file\n",
            "Helper.java": "class Helper { static int ANSWER = 42; }",
        },
    ),
]

DIFFERS = [
    Differs(
        "options of the virtual machine",
        Program(
            _body(
                "System.out.println(ManagementFactory.getRuntimeMXBean().getInputArguments().get(0));"
            )
        ),
        r"-XX:\+UseSerialGC",
        r"-agentpath:/usr/lib/code-executor/wait.so",
        "the virtual machine tells them as they were, and /proc/self/cmdline too",
    ),
    Differs(
        "variables in /proc/self/environ",
        Program(
            _body(
                'System.out.println(Files.readString(Path.of("/proc/self/environ")).contains("A=b"));'
            ),
            env={"A": "b"},
        ),
        "true",
        "false",
        "only the kernel writes there, when a program is executed; System.getenv has them",
    ),
    Differs(
        "age of the virtual machine",
        Program(
            _body("System.out.println(ManagementFactory.getRuntimeMXBean().getUptime() > 1000);"),
            waited_ms=1000,
        ),
        "false",
        "true",
        "it counts from the start of the process",
    ),
]

COLD = [
    StartsCold(f"variable {name}", Program("", env={name: value}), because)
    for name, value, because in (
        ("JAVA_TOOL_OPTIONS", "-Xint", "options are read at the start"),
        ("JDK_JAVA_OPTIONS", "-Xint", "options are read at the start"),
        ("_JAVA_OPTIONS", "-Xint", "options are read at the start"),
        ("LC_ALL", "C", "the encodings are chosen at the start"),
        ("LANG", "C", "the encodings are chosen at the start"),
        ("LD_PRELOAD", "libm.so.6", "the dynamic linker reads it at the start"),
        ("MALLOC_ARENA_MAX", "1", "the C library reads it at the start"),
    )
]

TABLE = Table(
    language="java",
    same=[*IDENTITY, *ENDS, *STREAMS, *PROCESSES, *ENVIRONMENT],
    random=[
        Program(_body("System.out.println(Math.random() + new Random().nextLong());")),
        Program(
            _body(
                "System.out.println(UUID.randomUUID() + Set.of(1, 2, 3, 4, 5, 6, 7, 8, "
                "9).toString());"
            )
        ),
    ],
    differs=DIFFERS,
    cold=COLD,
)
