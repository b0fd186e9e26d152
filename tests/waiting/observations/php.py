"""What PHP programs can see of their engine."""

from __future__ import annotations

from tests.waiting.observations import Differs, Same, StartsCold, Table, code
from tests.waiting.sandbox import Program


def _same(
    name: str, text: str, shows: str, exit_code: int = 0, mask: str = r"(?!)", **request: object
) -> Same:
    text = code(text) if text.lstrip().startswith("<") else "<?php\n" + code(text)
    return Same(name, Program(text, **request), shows, exit_code, mask)  # type: ignore[arg-type]


IDENTITY = [
    _same(
        "argv",
        "var_dump($argv, $argc, $_SERVER['argv'] === $argv, $_SERVER['argc'], $GLOBALS['argv'] "
        "=== $argv);",
        'string(4) "ä b"',
        args=("-x", "ä b", ""),
    ),
    _same(
        "argv that looks like an option",
        "echo json_encode([$argv, getopt('a:b')]);",
        '"b":false',
        args=("-a1", "-b", "--", "-c"),
    ),
    _same(
        "the server's variables",
        """
        $times = [$_SERVER['REQUEST_TIME'], $_SERVER['REQUEST_TIME_FLOAT']];
        unset($_SERVER['REQUEST_TIME'], $_SERVER['REQUEST_TIME_FLOAT']);
        ksort($_SERVER);
        var_dump($_SERVER, $_ENV, $_GET, $_COOKIE, array_keys($GLOBALS));
        var_dump(abs($times[0] - time()) < 2, abs($times[1] - microtime(true)) < 1);
        """,
        "bool(true)\nbool(true)\n",
        waited_ms=2500,
    ),
    _same(
        "the main file",
        "var_dump(__FILE__, __DIR__, get_included_files(), $_SERVER['SCRIPT_FILENAME'], getcwd(), "
        "scandir('.'));\n"
        "echo realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__ ? 'main' : 'not main', "
        "getmyinode() > 0;\n",
        "main1",
    ),
    _same(
        "frames beneath the program",
        "debug_print_backtrace(); var_dump(debug_backtrace()); echo (new "
        "Exception)->getTraceAsString();",
        "#0 {main}",
    ),
    _same(
        "extensions and functions",
        "var_dump(get_loaded_extensions(), get_loaded_extensions(true), "
        "count(get_defined_functions()['internal']));\n"
        "var_dump(get_declared_classes(), array_keys(get_defined_constants()), "
        "stream_get_wrappers(), spl_classes());\n",
        "Zend OPcache",
    ),
    _same(
        "settings",
        "var_dump(ini_get_all()); echo php_ini_loaded_file(), php_ini_scanned_files(), "
        "php_sapi_name(), PHP_BINARY;",
        "auto_prepend_file",
    ),
    _same(
        "defined names",
        "function f() {} var_dump(array_keys(get_defined_vars()), "
        "get_defined_functions()['user'], get_defined_constants(true)['user'] ?? null);",
        '"argv"',
    ),
    _same(
        "numbers of resources and objects",
        "var_dump(fopen('php://memory', 'r'), opendir('.'), new stdClass, spl_object_id(new "
        "stdClass), STDIN, STDERR);",
        "resource(3)",
    ),
    _same(
        "descriptors",
        "foreach (scandir('/proc/self/fd') as $fd) echo $fd, ' ', "
        '@readlink("/proc/self/fd/$fd"), PHP_EOL;',
        "3 /box/main.php",
        mask=r":\[[0-9]+\]|/proc/[0-9]+",
    ),
    _same(
        "rights and limits",
        "var_dump(posix_getuid(), posix_getrlimit(), umask(), get_current_user() === 'x', "
        "gc_enabled());\n"
        "echo implode(preg_grep('/^(Sig|Shd|Cap|NoNew|Threads)/', file('/proc/self/status')));\n",
        "int(123456)",
        mask=r"SigQ:.*",
    ),
    _same(
        "memory",
        "echo memory_get_usage(true), ' ', memory_get_peak_usage(true), ' ', "
        "ini_get('memory_limit');",
        "2097152 2097152 -1",
    ),
    _same(
        "phpinfo",
        "ob_start(); phpinfo(INFO_GENERAL | INFO_CONFIGURATION | INFO_MODULES); echo "
        "ob_get_clean();",
        "Zend Extension => 420240924",
    ),
]

SOURCE = [
    Same(
        "no opening tag",
        Program("echo __LINE__, file_get_contents('main.php');\nthrow new Error('x');\n"),
        "<?php echo __LINE__",
        255,
    ),
    Same(
        "no opening tag and no end of line",
        Program("echo bin2hex(file_get_contents('main.php'));"),
        "3c3f70687020",
    ),
    Same("opening tag in capitals", Program("<?PHP echo filesize('main.php');"), "32"),
    Same("opening tag later", Program("text\n<?php echo 1 ?>\nmore\n"), "text\n1more\n"),
    Same("short tag", Program("<?= $argv[0] ?>\n"), "main.php"),
    Same("an old short tag", Program("<? echo 1;\n"), "syntax error", 255),
    Same(
        "shebang", Program("#!/usr/bin/env php\n<?php echo __LINE__; throw new Error;\n"), "2", 255
    ),
    Same("shebang without a tag", Program("#!/usr/bin/php\necho 1;\n"), "1"),
    Same("bytes that are no text", Program(b"<?php echo bin2hex('\xff\0');"), "ff00"),
    Same("bytes that are no text, and no tag", Program(b"echo bin2hex('\xff<\0');"), "ff3c00"),
    Same("byte order mark", Program(b"\xef\xbb\xbf<?php echo 1;"), "\ufeff1"),
    Same("only text", Program("<p>\n"), "", 255),
    _same(
        "strict types",
        "<?php declare(strict_types=1); echo strlen(5);",
        "must be of type string",
        255,
    ),
    _same(
        "halt compiler",
        "echo file_get_contents(__FILE__, offset: __COMPILER_HALT_OFFSET__); __halt_compiler(); "
        "data",
        "data",
    ),
    _same(
        "files of the program's own",
        "require 'helper.php'; require_once __DIR__ . '/helper.php'; var_dump(f(), "
        "get_included_files(), get_include_path());",
        "int(42)",
        files={
            "helper.php": "<?php function f() { return 42; } echo debug_backtrace()[0]['function'];"
        },
    ),
]

ENDS = [
    _same(
        "uncaught exception",
        "function f($n) { throw new LogicException('no', 3, new Exception('deep')); }\nf(1);\n",
        "#0 /box/main.php(3): f()\n#1 {main}\n  thrown in",
        255,
    ),
    _same("syntax error", "echo 'never';\nif (\n", "Parse error: ", 255),
    _same(
        "warnings and notices",
        "echo $absent; echo [1]; intdiv(1, 1); trigger_error('own', E_USER_DEPRECATED);",
        "Warning: Undefined variable $absent in",
    ),
    _same(
        "handlers",
        "set_error_handler(fn(...$a) => print($a[1])); set_exception_handler(fn($e) => "
        "print($e->getLine())); echo $x; throw new Error;",
        "Undefined variable $x2",
    ),
    _same("exit", "exit(7);", "", 7),
    _same("exit with a message", "exit('so long');", "so long"),
    _same("failed assertion", "assert(1 > 2); echo ini_get('zend.assertions');", "-1"),
    _same(
        "exit hooks in their order",
        "class A { function __destruct() { echo 'destruct '; } }\n$a = new A;\n"
        "register_shutdown_function(function () { echo 'shutdown '; print_r(error_get_last()); "
        "exit(4); });\necho 'main '; null_function();\n",
        "[line] => 5\n)\ndestruct ",
        4,
    ),
    _same(
        "destructors",
        "class A { function __destruct() { echo 'destruct'; } } $a = new A; $b = new A; $b->self "
        "= $b; echo 'main ';",
        "main destructdestruct",
    ),
    _same("recursion", "function f($n) { return $n ? f($n - 1) + 1 : 0; } echo f(20000);", "20000"),
    _same(
        "memory limit",
        "ini_set('memory_limit', '4M'); str_repeat('x', 1 << 23);",
        "Allowed memory size of 4194304 bytes exhausted",
        255,
    ),
    _same(
        "time limit",
        "set_time_limit(1); while (true);",
        "Maximum execution time of 1 second exceeded",
        255,
    ),
]

STREAMS = [
    _same(
        "text from stdin",
        "var_dump(fgets(STDIN), file_get_contents('php://stdin'), feof(STDIN));",
        'string(3) "ä\n"',
        stdin=("ä\ntwo\n",),
    ),
    _same("end of stdin", "var_dump(fgets(STDIN), readline());", "bool(false)\nbool(false)"),
    _same(
        "bytes from stdin",
        "echo bin2hex(stream_get_contents(STDIN));",
        "00ff0a",
        stdin=(b"\0\xff\n",),
    ),
    _same(
        "interactive reads",
        "while (($line = fgets(STDIN)) !== false) echo 'got ', $line;",
        "got b\n",
        stdin=("a\n", "b\n"),
    ),
    _same("readline", "echo readline('? '), readline('! ');", "a", stdin=("a\nb\n",)),
    _same(
        "both streams",
        "fwrite(STDERR, 'e'); fwrite(STDOUT, 'a'); echo 'b'; system('echo c'); fputs(STDOUT, "
        "'d'); flush();",
        "abc\nd",
    ),
    _same(
        "output buffers",
        "var_dump(ob_get_level(), ob_list_handlers(), ini_get('implicit_flush')); ob_start(); "
        "echo 'kept';",
        "kept",
    ),
    _same("a closed stream", "fclose(STDOUT); fwrite(STDERR, 'still'); echo 'x';", "still", 255),
    _same(
        "streams",
        "var_dump(stream_get_meta_data(STDIN), stream_isatty(STDOUT), posix_isatty(STDERR));",
        '"STDIO"',
    ),
    _same("much output", "echo str_repeat('x', 300000), 'end';", "xend"),
    _same(
        "encodings and locale",
        "var_dump(setlocale(LC_ALL, 0), mb_internal_encoding(), ini_get('default_charset'), "
        "localeconv(), strtoupper('ä'), mb_strtoupper('ä'));",
        "UTF-8",
    ),
]

PROCESSES = [
    *(
        _same(
            f"{name} to itself",
            f"posix_kill(getmypid(), {name}); sleep(2); echo 'lived';",
            "",
            status,
        )
        for name, status in (("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 138))
    ),
    _same("SIGPIPE", "var_dump(posix_kill(getmypid(), SIGPIPE)); echo 'lived';", "lived"),
    _same(
        "a handler of the program's",
        "pcntl_async_signals(true); pcntl_signal(SIGINT, function () { echo 'saw'; exit(5); }); "
        "posix_kill(getmypid(), SIGINT); sleep(2);",
        "saw",
        5,
    ),
    _same(
        "signal mask",
        "pcntl_sigprocmask(SIG_BLOCK, [SIGHUP], $old); var_dump($old, "
        "pcntl_signal_get_handler(SIGINT));",
        "array(0)",
    ),
    _same(
        "fork",
        "if (($pid = pcntl_fork()) === 0) { echo 'child '; exit(3); } pcntl_wait($s); echo "
        "pcntl_wexitstatus($s);",
        "child 3",
    ),
    _same(
        "child processes",
        "echo shell_exec('env | sort; ls /proc/self/fd'); exec('exit 4', $o, $code); echo $code, "
        "`php -r 'echo count(get_loaded_extensions(true));'`;",
        "41",
    ),
    _same("a child reads stdin", "passthru('cat');", "for the child", stdin=("for the child",)),
    _same(
        "proc_open",
        "$p = proc_open(['cat'], [['pipe', 'r'], STDOUT], $pipes); fwrite($pipes[0], 'in'); "
        "fclose($pipes[0]); echo proc_close($p);",
        "in0",
    ),
    _same(
        "sleep",
        "$a = hrtime(true); usleep(100000); $d = (hrtime(true) - $a) / 1e6; var_dump($d > 99 && "
        "$d < 900);",
        "bool(true)",
        waited_ms=1000,
    ),
    _same(
        "libraries",
        "echo json_encode(gmp_strval(gmp_pow(2, 70))), bcadd('1', '2'), (new "
        "PDO('sqlite::memory:'))->query('select 3')->fetchColumn(), DOMDocument::class, "
        "hash('xxh3', 'a');",
        '"1180591620717411303424"33',
    ),
    _same("FFI", "echo FFI::cdef('int abs(int);')->abs(-3);", "3"),
]

ENVIRONMENT = [
    _same(
        "variables",
        "$all = getenv(); ksort($all); var_dump($all, getenv('ODD'), getenv('PHP_INI_SCAN_DIR'), "
        "$_SERVER['COLOUR']);\n"
        "putenv('COLOUR'); putenv('NEW=1'); system('env | sort');\n",
        "NEW=1",
        env={"COLOUR": "grün", "ODD": "a=b=", "EMPTY": ""},
    ),
    _same(
        "time zone",
        "echo date_default_timezone_get(), date('H', 0), shell_exec('date +%Z');",
        "UTC00JST",
        env={"TZ": "Asia/Tokyo"},
    ),
    _same(
        "system",
        "echo gethostname(), sys_get_temp_dir(), php_uname('s'), getmyuid();",
        "sandbox/tmpLinux",
    ),
]

DIFFERS = [
    Differs(
        "/proc/self/cmdline",
        Program(
            "<?php echo implode(' ', array_slice(explode(\"\\0\", "
            "file_get_contents('/proc/self/cmdline')), 1, 2));"
        ),
        r"-d display_errors=stderr",
        r"-d zend_extension=/usr/lib/code-executor/wait.so",
        "only the kernel writes there, when a program is executed; $argv is right",
    ),
    Differs(
        "variables in /proc/self/environ",
        Program(
            "<?php var_dump(str_contains(file_get_contents('/proc/self/environ'), 'A=b'));",
            env={"A": "b"},
        ),
        r"bool\(true\)",
        r"bool\(false\)",
        "only the kernel writes there, when a program is executed; getenv has them",
    ),
    Differs(
        "order of the variables",
        Program("<?php echo implode(' ', array_keys(getenv()));"),
        "HOME TMPDIR PATH LANG PWD",
        "HOME LANG PATH PWD TMPDIR",
        "the shell of the cold command hands variables on in an order of its own; here it is the "
        "request's",
    ),
]

COLD = [
    StartsCold(f"variable {name}", Program("", env={name: value}), because)
    for name, value, because in (
        ("PHPRC", "/box", "settings are read at the start"),
        ("PHP_INI_SCAN_DIR", "/box", "settings are read at the start"),
        ("USE_ZEND_ALLOC", "0", "the memory manager is chosen at the start"),
        ("PATH", "/bin", "PHP_BINARY is looked up in it at the start"),
        ("LC_ALL", "C", "the locale is chosen at the start"),
        ("OPENSSL_CONF", "/box/x", "the library reads it at the start"),
        ("LD_PRELOAD", "libm.so.6", "the dynamic linker reads it at the start"),
        ("MALLOC_ARENA_MAX", "1", "the C library reads it at the start"),
    )
]

TABLE = Table(
    language="php",
    same=[*IDENTITY, *SOURCE, *ENDS, *STREAMS, *PROCESSES, *ENVIRONMENT],
    random=[
        Program("echo mt_rand(), rand(), lcg_value();"),
        Program(
            "echo random_int(0, PHP_INT_MAX), uniqid('', true), (new "
            "Random\\Randomizer)->nextInt();"
        ),
    ],
    differs=DIFFERS,
    cold=COLD,
)
