"""What Ruby programs can see of their interpreter."""

from __future__ import annotations

from tests.waiting.observations import Differs, Same, StartsCold, Table, code
from tests.waiting.sandbox import Program

ADDRESS = r"0x[0-9a-f]+"


def _same(
    name: str, text: str, shows: str, exit_code: int = 0, mask: str = r"(?!)", **request: object
) -> Same:
    return Same(name, Program(code(text), **request), shows, exit_code, mask)  # type: ignore[arg-type]


IDENTITY = [
    _same(
        "argv",
        "p ARGV, $*, $0, $PROGRAM_NAME, __FILE__, __dir__, ARGV.map(&:encoding), ARGV.frozen?",
        '["-x", "ä b", ""]',
        args=("-x", "ä b", ""),
    ),
    _same("the program knows that it is the main one", "puts 'main' if __FILE__ == $0", "main"),
    _same(
        "ARGF",
        "puts ARGF.read",
        "of the file",
        args=("data.txt",),
        files={"data.txt": "of the file\n"},
    ),
    _same(
        "loaded features and search path",
        'puts $LOADED_FEATURES, $LOAD_PATH; p $".size',
        "enumerator.so",
    ),
    _same(
        "names",
        """
        p local_variables, TOPLEVEL_BINDING.local_variables, self, self.singleton_methods
        p Object.private_instance_methods(false).sort, Object.constants.sort, global_variables.sort
        p Kernel.private_instance_methods.sort, instance_variables
        """,
        "[]\n[]\nmain",
    ),
    _same(
        "frames beneath the program",
        "p caller, caller_locations(0), binding.source_location; def f = caller; p f",
        "[]\n",
    ),
    _same(
        "numbers of objects", "p Object.new.object_id, 'x'.object_id, Class.new.new.object_id", "\n"
    ),
    _same(
        "hooks and settings",
        """
        p $VERBOSE, $DEBUG, $-w, $;, $,, $/, $stdout.sync, $stderr.sync, $stdin.sync
        p GC.stress, GC.disable, Thread.list.size, Thread.abort_on_exception
        p ObjectSpace.each_object(TracePoint).count, Signal.trap("EXIT") {}
        """,
        "false\nfalse",
    ),
    _same(
        "working directory and descriptors",
        """
        p Dir.pwd, Dir.children("."), File.umask, File.open("main.rb").fileno
        Dir.children("/proc/self/fd").sort.each { |n| p [n, (File.readlink("/proc/self/fd/#{n}") rescue 0)] }
        """,
        '"/box"\n["main.rb"]\n18\n5\n',
        mask=r":\[[0-9]+\]|/[0-9]+/",
    ),
    _same(
        "rights and limits",
        "p Process.uid, Process.getrlimit(:NOFILE), Process.getpgid(0) == $$\n"
        "puts File.readlines('/proc/self/status').grep(/^(Sig|Shd|Cap|NoNew|Threads)/)\n",
        "123456",
        mask=r"SigQ:.*",
    ),
    _same("command line", "print File.read('/proc/self/cmdline')", "ruby\0main.rb"),
]

SOURCE = [
    _same(
        "text behind the program",
        "p DATA.read, DATA.path, DATA.lineno, DATA.singleton_methods\n__END__\nbehind\n",
        '"behind\\n"',
    ),
    _same(
        "the whole source through DATA",
        "DATA.rewind\nputs DATA.read, DATA.fileno, DATA.external_encoding\n__END__\n",
        "DATA.rewind",
    ),
    _same("no text behind the program", "p defined?(DATA)", "nil"),
    _same("shebang", "#!/usr/bin/env ruby\nputs __LINE__\nraise 'x'\n", "2\n", 1),
    _same(
        "magic comments",
        "# frozen_string_literal: true\n# warn_indent: true\np 'a'.frozen?\n",
        "true",
    ),
    Same(
        "another encoding",
        Program(b"# encoding: iso-8859-1\np __ENCODING__, '\xe4'.encode('utf-8')\n"),
        'ISO-8859-1>\n"ä"',
    ),
    Same("not UTF-8", Program(b"puts '\xff'\n"), "invalid multibyte char", 1),
    Same(
        "byte order mark and carriage returns", Program(b"\xef\xbb\xbfputs 1\r\nputs 2\r\n"), "1\n2"
    ),
    _same("BEGIN", "puts 2\nBEGIN { puts 1 }\n", "1\n2"),
    _same("a program of nothing", "#", ""),
    _same("return", "puts 1\nreturn\nputs 2\n", "1\n"),
    _same(
        "source of methods",
        "def f; end\np method(:f).source_location, RubyVM::InstructionSequence.of(method(:f)).path",
        '["main.rb", 1]',
    ),
    _same(
        "files of the program's own",
        "require_relative 'helper'\nload './other.rb'\nputs ANSWER, $LOADED_FEATURES.last\n"
        "autoload :Late, './late.rb'\np Late\n",
        "42\n/box/helper.rb\n",
        files={
            "helper.rb": "ANSWER = 42\np [__FILE__, $0, caller.size]\n",
            "other.rb": "p __FILE__\n",
            "late.rb": "Late = 5\n",
        },
    ),
]

ENDS = [
    _same(
        "uncaught exception",
        "def f(n) = 1 / n\nbegin\n  f(0)\nrescue ZeroDivisionError\n  raise ArgumentError, "
        "'chained'\nend\n",
        "main.rb:5:in `rescue in <main>': chained (ArgumentError)\n",
        1,
    ),
    _same("wrong name", "[1].frist", "Did you mean?  first", 1),
    _same("syntax error", "puts 'never'\nif true\n  puts 1\n", "syntax error", 1),
    _same(
        "syntax error with a suggestion",
        "class A\n  def f\n    1\n  \nend\nputs 'x'\n",
        "syntax error",
        1,
    ),
    _same("warnings", "warn 'careful'; warn 'up', uplevel: 0; 1 == 2\n", "main.rb:1: warning: up"),
    _same("exit", "exit 7", "", 7),
    _same("exit false", "exit false", "", 1),
    _same("exit!", "at_exit { puts 'never' }\nexit! 3\n", "", 3),
    _same("abort", "abort 'so long'", "so long\n", 1),
    _same("SystemExit", "begin; exit 2; rescue SystemExit => e; p e.status; raise; end", "2", 2),
    _same("an exception that is a signal", "raise Interrupt", "Interrupt", 130),
    _same("uncaught throw", "throw :ball", "uncaught throw :ball", 1),
    _same(
        "exit hooks in their order",
        "END { puts 'END' }\nat_exit { puts 'second'; exit 4 }\nat_exit { puts 'first'; p $! }\n"
        "ObjectSpace.define_finalizer('x'.dup, proc { puts 'finaliser' })\nputs 'main'\n",
        "main\nfirst\nnil\nsecond\nEND\nfinaliser",
        4,
    ),
    _same(
        "recursion",
        "def f = f\nbegin; f; rescue SystemStackError => e; p e.message, caller.size; end",
        "stack level too deep",
    ),
    _same(
        "exception in a thread",
        "Thread.new { raise 'x' }.join",
        "terminated with exception",
        1,
        ADDRESS,
    ),
    _same("thread that is still there", "Thread.new { sleep }; puts 1", "1"),
    _same("deadlock", "Queue.new.pop", "No live threads left. Deadlock?", 1, ADDRESS),
]

STREAMS = [
    _same("text from stdin", "p gets, $_, $., STDIN.read, gets", '"ä\\n"', stdin=("ä\ntwo\n",)),
    _same("end of stdin", "p gets, STDIN.eof?, ARGF.read", "nil\ntrue"),
    _same("bytes from stdin", "p STDIN.binmode.read", '"\\x00\\xFF\\n"', stdin=(b"\0\xff\n",)),
    _same(
        "interactive reads",
        'while line = gets\n  puts "got #{line}"\nend\n',
        "got b\n",
        stdin=("a\n", "b\n"),
    ),
    _same(
        "encodings",
        "p Encoding.default_external, Encoding.default_internal, Encoding.find('locale')\n"
        "p [STDIN, STDOUT, STDERR].map { |io| [io.external_encoding, io.fileno, io.tty?] }\n"
        "p ENV['PATH'].encoding, 'ä'.encoding, `echo ä`.encoding, gets.encoding\n",
        "UTF-8",
        stdin=("x\n",),
    ),
    _same("a closed pipe", "r, w = IO.pipe; r.close; w.write 'x'", "Errno::EPIPE", 1),
    _same(
        "order of bytes on both streams",
        "print 'a'; $stdout.syswrite 'b'; system 'echo c'; $stderr.puts 'd'",
        "b",
    ),
    _same("much output", "print 'x' * 300000, 'end'", "xend"),
]

PROCESSES = [
    *(
        _same(f"SIG{name} to itself", f"Process.kill(:{name}, $$); sleep 2", shows, status)
        for name, status, shows in (
            ("INT", 130, "Interrupt"),
            ("TERM", 143, ""),
            ("KILL", 137, ""),
            ("HUP", 129, ""),
        )
    ),
    _same(
        "a handler of the program's",
        "p trap(:INT) { puts 'saw'; exit 5 }, trap(:PIPE, 'DEFAULT')\nProcess.kill(:INT, $$); "
        "sleep 2\n",
        "saw",
        5,
    ),
    _same(
        "fork",
        "pid = fork { puts 'child'; exit 3 }\nProcess.wait pid\nputs $?.exitstatus\n",
        "child\n3",
    ),
    _same(
        "child processes",
        "puts `ruby -e 'p ARGV, $LOADED_FEATURES.size, ENV.to_h'`\nsystem 'ls /proc/self/fd'\n"
        "p spawn('exit 4') > 0, Process.wait2[1].exitstatus\n",
        "true\n4",
    ),
    _same("a child reads stdin", "system 'cat'", "for the child", stdin=("for the child",)),
    _same("exec", "exec 'echo', 'replaced'", "replaced"),
    _same(
        "threads",
        "p Thread.main == Thread.current, Thread.new { Thread.current.name }.value\n"
        "p (1..5).map { |n| Thread.new { n * n } }.map(&:value)\n",
        "[1, 4, 9, 16, 25]",
    ),
    _same("fibers and ractors", "p Fiber.new { 1 }.resume, Ractor.new { 2 }.take", "1\n2"),
    _same(
        "time",
        "def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)\n"
        "a = now; sleep 0.1; p (0.09..1).cover?(now - a)\n",
        "true",
        waited_ms=1000,
    ),
    _same(
        "timeout",
        "require 'timeout'\nbegin; Timeout.timeout(0.1) { sleep 2 }; rescue Timeout::Error => e; "
        "p e; end",
        "execution expired",
    ),
    _same(
        "libraries",
        "%w[json set csv date erb open3 socket tempfile yaml bigdecimal].each { |n| p [n, "
        "(require n)] }",
        '["json", true]',
    ),
]

ENVIRONMENT = [
    _same(
        "variables",
        "p ENV.to_h, ENV['RUBYOPT'], ENV['COLOUR'].encoding, ENV['COLOUR'].frozen?\n"
        "system 'env'\nENV.delete('COLOUR')\nsystem 'env'\n",
        "COLOUR=grün",
        env={"COLOUR": "grün", "ODD": "a=b=", "EMPTY": ""},
    ),
    _same(
        "time zone",
        "puts Time.at(0), Time.now.zone",
        "1970-01-01 09:00:00 +0900\nJST",
        env={"TZ": "Asia/Tokyo"},
    ),
    _same("no time zone", "puts Time.at(0), Time.now.zone", "UTC"),
    _same("own PATH", "p ENV['PATH'], system('ls')", "nil", env={"PATH": "/nowhere"}),
    _same(
        "system",
        "require 'etc'\nrequire 'tmpdir'\nrequire 'socket'\n"
        "p Etc.nprocessors, Dir.home, Dir.tmpdir, Socket.gethostname\n",
        '"sandbox"',
    ),
]

DIFFERS = [
    Differs(
        "arguments in /proc/self/cmdline",
        Program("p File.read('/proc/self/cmdline').split(\"\\0\")", args=("x",)),
        r'\["ruby", "main.rb", "x"\]',
        r'\["ruby", "main.rb"\]',
        "only the kernel writes there, when a program is executed; ARGV has them",
    ),
    Differs(
        "variables in /proc/self/environ",
        Program("p File.read('/proc/self/environ').include?('A=b')", env={"A": "b"}),
        "true",
        "false",
        "only the kernel writes there, when a program is executed; ENV and getenv have them",
    ),
]

COLD = [
    *(
        StartsCold(f"variable {name}", Program("", env={name: value}), because)
        for name, value, because in (
            ("RUBYOPT", "-w", "options are read at the start"),
            ("RUBYLIB", "/box", "the search path is made at the start"),
            ("RUBY_GC_HEAP_INIT_SLOTS", "100000", "the heap is made at the start"),
            ("GEM_HOME", "/box", "packages are looked up in it at the start"),
            ("HOME", "/tmp", "packages are looked up in it at the start"),
            ("LC_ALL", "C", "the encodings are chosen at the start"),
            ("LANG", "C", "the encodings are chosen at the start"),
            ("LD_PRELOAD", "libm.so.6", "the dynamic linker reads it at the start"),
            ("MALLOC_ARENA_MAX", "1", "the C library reads it at the start"),
        )
    ),
    *(
        StartsCold(f"first line {line!r}", Program(f"{line}\nputs 1\n"), because)
        for line, because in (
            ("#!/usr/bin/ruby -w", "the line holds options"),
            ("#!/usr/bin/env -S ruby --yjit", "the line holds options"),
            ("#!/bin/sh", "Ruby searches the file for a line that names it"),
        )
    ),
]

TABLE = Table(
    language="ruby",
    same=[*IDENTITY, *SOURCE, *ENDS, *STREAMS, *PROCESSES, *ENVIRONMENT],
    random=[
        Program("p rand, Random.new_seed, Random.seed"),
        Program("p 'text'.hash, :symbol.hash"),
        Program("require 'securerandom'; p SecureRandom.hex, [1, 2, 3, 4, 5, 6, 7, 8, 9].shuffle"),
    ],
    differs=DIFFERS,
    cold=COLD,
)
