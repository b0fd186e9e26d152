"""What JavaScript programs can see of Node."""

from __future__ import annotations

from tests.waiting.observations import Differs, Same, StartsCold, Table, code
from tests.waiting.sandbox import Program

PID = r"node:[0-9]+"


def _same(
    name: str, text: str, shows: str, exit_code: int = 0, mask: str = r"(?!)", **request: object
) -> Same:
    return Same(name, Program(code(text), **request), shows, exit_code, mask)  # type: ignore[arg-type]


IDENTITY = [
    _same(
        "argv",
        "console.log(process.argv, process.argv0, process.execArgv, process.execPath, "
        "process.title)",
        "'/box/main.js', '-x', 'ä b', ''",
        args=("-x", "ä b", ""),
    ),
    _same(
        "the main module",
        """
        console.log(require.main === module, __filename, __dirname, module, require.cache);
        console.log(module.parent, module.children, process.mainModule === module, this === exports);
        """,
        "true /box/main.js /box",
    ),
    _same(
        "what the loader remembers",
        """
        const Module = require("module");
        console.log(Object.keys(Module._cache), Object.keys(Module._pathCache), Module.globalPaths);
        console.log(process.moduleLoadList.join());
        """,
        "[ '/box/main.js' ]",
    ),
    _same(
        "global names",
        "console.log(Reflect.ownKeys(globalThis), Object.keys(process), Object.keys(require))",
        "'globalThis'",
    ),
    _same(
        "frames beneath the program",
        'console.log(new Error("here").stack); console.trace("there")',
        "at Function.executeUserEntryPoint",
    ),
    _same(
        "working directory and descriptors",
        """
        const fs = require("fs");
        console.log(process.cwd(), fs.readdirSync("."), fs.openSync("main.js"), process.umask());
        const targets = fs.readdirSync("/proc/self/fd").map(
            fd => [fd, fs.existsSync("/proc/self/fd/" + fd) && fs.readlinkSync("/proc/self/fd/" + fd)]);
        console.log(targets.map(String));
        """,
        "/box [ 'main.js' ] ",
        mask=r"\[[0-9]+\]",
    ),
    _same(
        "rights, limits and threads",
        """
        const lines = require("fs").readFileSync("/proc/self/status", "utf8").split("\\n");
        console.log(process.getuid(), lines.filter(l => /^(Sig|Shd|Cap|NoNew|Threads)/.test(l)));
        console.log(require("v8").getHeapStatistics().heap_size_limit, process.report.getReport().userLimits);
        """,
        "123456",
        mask=r"SigQ:[^']*",
    ),
    _same(
        "statics of expressions",
        "console.log([RegExp.input, RegExp.$1, RegExp.lastMatch])",
        "[ '', '', '' ]",
    ),
    _same(
        "strictness",
        "undeclared = 1; console.log(undeclared, (function () { return this })() === globalThis)",
        "1 true",
    ),
]

MODULES = [
    _same(
        "ES module found out by its syntax",
        """
        import fs from "node:fs";
        console.log(import.meta.url, import.meta.filename, import.meta.dirname, typeof require, this);
        export default await Promise.resolve(fs.existsSync("main.js"));
        """,
        "file:///box/main.js /box/main.js /box undefined undefined",
    ),
    _same(
        "top-level await",
        "const x = await new Promise(r => setTimeout(r, 50, 'waited'));\nconsole.log(x);\n",
        "waited",
    ),
    _same("top-level await that never ends", "import 'fs'; await new Promise(() => {});", "", 13),
    _same(
        "package.json says module",
        "console.log(typeof require, import.meta.url);",
        "undefined file:///box/main.js",
        files={"package.json": '{"type": "module"}'},
    ),
    _same(
        "package.json says commonjs",
        "import fs from 'fs';",
        "Cannot use import statement outside a module",
        1,
        files={"package.json": '{"type": "commonjs"}'},
        mask=PID,
    ),
    _same(
        "package.json names the program itself",
        "console.log(require('me'), require('me/part'), require('#inner'))",
        "part part part",
        files={
            "package.json": '{"name": "me", "exports": {".": "./p.js", "./part": "./p.js"},'
            ' "imports": {"#inner": "./p.js"}}',
            "p.js": "module.exports = 'part';",
        },
    ),
    _same(
        "modules of the program's own",
        """
        const helper = require("./helper");
        console.log(helper, module.children.length, require("pack"), require.resolve.paths("x"));
        import("./other.mjs").then(m => console.log(m));
        try { require("absent") } catch (e) { console.log(e.message, e.requireStack) }
        """,
        "{ answer: 42 } 1 packed [\n  '/box/node_modules',",
        files={
            "helper.js": "exports.answer = 42; if (require.main === module) throw 1;",
            "other.mjs": "export const name = 'other';",
            "node_modules/pack/index.js": "module.exports = 'packed';",
        },
    ),
    _same(
        "JSON", 'console.log(require("./data.json"))', "{ a: 1 }", files={"data.json": '{"a": 1}'}
    ),
    _same("shebang", "#!/usr/bin/env node\nconsole.log(1)", "1"),
    Same("byte order mark", Program(b"\xef\xbb\xbfconsole.log('bom')"), "bom"),
]

ENDS = [
    _same(
        "uncaught error",
        """
        function f(n) {
            throw new TypeError("no " + n, { cause: new Error("deep") });
        }
        f(1);
        """,
        "at f (/box/main.js:2:45)\n      at Object.<anonymous> (/box/main.js:4:1)\n      at "
        "Module._compile",
        1,
    ),
    _same(
        "uncaught error in a module",
        "import 'fs';\nthrow new Error('in a module');",
        "file:///box/main.js:2",
        1,
    ),
    _same("uncaught value", "throw { code: 5 }", "throw { code: 5 }\n^\n{ code: 5 }", 1),
    _same(
        "syntax error",
        "console.log('never');\nlet a = ;\n",
        "/box/main.js:2\nlet a = ;\n        ^",
        1,
    ),
    _same("rejection that nobody handles", "Promise.reject(new Error('rejected'))", "rejected", 1),
    _same("rejection without an error", "Promise.reject(3)", "ERR_UNHANDLED_REJECTION", 1),
    _same(
        "rejection handled late",
        "const p = Promise.reject(1); process.on('unhandledRejection', r => console.log('saw', r))",
        "saw 1",
    ),
    _same(
        "uncaughtException",
        "process.on('uncaughtException', e => console.log('saw', e.message)); null.x",
        "saw Cannot read",
    ),
    _same("process.exit", "process.exit(9)", "", 9),
    _same("exitCode", "process.exitCode = 3; console.log(process.exitCode)", "3", 3),
    _same("abort", "process.abort()", "1: /box/main.js:1:9", 134, mask="0x[0-9a-f]+"),
    _same(
        "exit hooks in their order",
        """
        process.on("exit", code => console.log("exit", code));
        process.on("beforeExit", code => console.log("beforeExit", code));
        setTimeout(() => console.log("timeout"), 500);
        setImmediate(() => console.log("immediate"));
        process.nextTick(() => console.log("tick"));
        queueMicrotask(() => console.log("microtask"));
        console.log("main");
        """,
        "main\ntick\nmicrotask\nimmediate\ntimeout\nbeforeExit 0\nexit 0",
    ),
    _same(
        "depth of recursion",
        "let n = 0; (function f() { n++; f() })()",
        "Maximum call stack size exceeded",
        1,
    ),
    _same(
        "warning", "process.emitWarning('careful'); console.log(1)", "Warning: careful", mask=PID
    ),
    _same("deprecation", "new Buffer(1)", "DEP0005", mask=PID),
    _same("failed assertion", "require('assert').strictEqual(1, 2)", "AssertionError", 1),
]

STREAMS = [
    _same(
        "stdin at once",
        "console.log([require('fs').readFileSync(0, 'utf8')])",
        "[ 'ä\\n' ]",
        stdin=("ä\n",),
    ),
    _same(
        "stdin by its path",
        "console.log(require('fs').readFileSync('/dev/stdin').length)",
        "3",
        stdin=(b"\0\xff\n",),
    ),
    _same(
        "stdin line by line",
        """
        const lines = require("readline").createInterface({ input: process.stdin });
        lines.on("line", line => console.log("got", line)).on("close", () => console.log("end"));
        """,
        "got a\ngot b\nend",
        stdin=("a\n", "b\n"),
    ),
    _same(
        "stdin by iteration",
        "import 'fs'; for await (const part of process.stdin) console.log(part)",
        "<Buffer 61>",
        stdin=("a",),
    ),
    _same(
        "stdin that nobody reads",
        "process.stdin.on('end', () => console.log('end')).resume()",
        "end",
    ),
    _same(
        "streams",
        """
        for (const s of [process.stdin, process.stdout, process.stderr])
            console.log(s.constructor.name, s.isTTY, s.fd, s.writableHighWaterMark);
        process.stderr.write("e"); process.stdout.write("ä\\ud800\\n");
        """,
        "undefined 0",
    ),
    _same(
        "a closed pipe", "process.stdout.destroy(); console.log('x'); process.exitCode = 4", "", 4
    ),
    _same(
        "much output",
        "process.stdout.write('x'.repeat(300000)); process.stdout.write('end')",
        "xend",
    ),
]

PROCESSES = [
    *(
        _same(
            f"{name} to itself",
            f"process.kill(process.pid, '{name}'); setTimeout(() => {{}}, 2000)",
            "",
            status,
        )
        for name, status in (("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129))
    ),
    _same(
        "a handler of the program's",
        """
        process.on("SIGINT", name => { console.log("saw", name); process.exit(0) });
        setTimeout(() => {}, 2000);
        process.kill(process.pid, "SIGINT");
        """,
        "saw SIGINT",
    ),
    _same(
        "child processes",
        """
        const { execFileSync, execSync, spawnSync } = require("child_process");
        console.log(execFileSync(process.execPath, ["-p", "process.execArgv"]).toString());
        console.log(execSync("env; ls /proc/self/fd | wc -l").toString());
        console.log(spawnSync("sh", ["-c", "kill -9 $$"]).signal);
        """,
        "HOME=/box",
    ),
    _same(
        "a child reads stdin",
        "require('child_process').execSync('cat', { stdio: 'inherit' })",
        "for the child",
        stdin=("for the child",),
    ),
    _same(
        "a forked child",
        """
        if (process.argv[2]) {
            process.send([process.argv, process.execArgv, process.env.NODE_OPTIONS]);
            process.disconnect();
        } else {
            const child = require("child_process").fork(__filename, ["child"]);
            child.on("message", m => console.log("from the child", m));
            child.on("exit", code => console.log("exit", code));
        }
        """,
        "from the child",
    ),
    _same(
        "worker threads",
        """
        const { isMainThread, parentPort, workerData, Worker } = require("worker_threads");
        if (isMainThread) {
            const worker = new Worker(__filename, { workerData: 20 });
            worker.on("message", m => console.log("from the worker", m))
                .on("exit", code => console.log("exit", code));
        } else {
            const { children, _cache, _pathCache } = require("module");
            parentPort.postMessage([workerData, process.argv, process.execArgv, Object.keys(require.cache),
                Object.keys(_pathCache), Object.keys(process.env), new Error("in").stack,
                process.moduleLoadList.join()]);
        }
        """,
        "from the worker [\n  20,",
    ),
    _same(
        "worker threads of modules, with an environment of their own",
        """
        import { isMainThread, Worker } from "node:worker_threads";
        if (isMainThread) {
            const env = { A: "b", NODE_OPTIONS: "--no-warnings" };
            new Worker(new URL(import.meta.url), { env, stdout: false });
        } else {
            console.log(process.env, process.execArgv, import.meta.url, process.exitCode);
        }
        """,
        "A: 'b'",
    ),
    _same(
        "cluster",
        """
        const cluster = require("cluster");
        if (cluster.isPrimary) {
            cluster.fork().on("exit", code => console.log("exit", code));
        } else {
            console.log("worker", process.argv, process.execArgv);
            process.exit(6);
        }
        """,
        "exit 6",
    ),
    _same(
        "pool of threads",
        """
        const { pbkdf2, randomBytes } = require("crypto");
        pbkdf2("a", "b", 10, 8, "sha1", (e, key) => console.log(key.toString("hex")));
        require("zlib").gzip("x", (e, data) => console.log(data.length));
        require("dns").lookup("localhost", (e, address) => console.log(address));
        require("fs").promises.readFile("main.js").then(data => console.log(data.length > 9));
        """,
        "true",
        # They come in any order.
        mask=r"(?s).+",
    ),
    _same(
        "timers after a long wait",
        """
        const began = Date.now();
        setTimeout(() => { const t = Date.now() - began; console.log(t >= 199 && t < 600) }, 200);
        const tick = setInterval(() => { clearInterval(tick); console.log("tick") }, 30);
        """,
        "tick\ntrue",
        waited_ms=1000,
    ),
    _same(
        "WebAssembly",
        "console.log(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])))",
        "Module [WebAssembly.Module]",
    ),
    _same(
        "code that is made at run time",
        "console.log(eval('1 + 1'), new Function('return 3')(), "
        "require('vm').runInNewContext('4'))",
        "2 3 4",
    ),
    _same(
        "web interfaces",
        "console.log([typeof fetch, structuredClone({ a: 1 }), new URL('a', 'http://b'), "
        "crypto.subtle])",
        "'function'",
    ),
]

ENVIRONMENT = [
    _same(
        "variables",
        """
        console.log(process.env, process.env.COLOUR, process.env.NODE_OPTIONS, process.env.ABSENT);
        console.log(require("child_process").execSync("env").toString());
        delete process.env.COLOUR;
        console.log(require("child_process").execSync("env").toString());
        """,
        "COLOUR=grün",
        env={"COLOUR": "grün", "ODD": "a=b=", "EMPTY": ""},
    ),
    _same(
        "time zone",
        "console.log(new Date(0).toString(), Intl.DateTimeFormat().resolvedOptions())",
        "Japan",
        env={"TZ": "Asia/Tokyo"},
    ),
    _same(
        "locale",
        """
        console.log((1234.5).toLocaleString(), new Date(0).toLocaleString());
        console.log(Intl.NumberFormat().resolvedOptions());
        """,
        "1,234.5",
    ),
    _same(
        "colours",
        "console.log(process.stdout.hasColors?.(), require('util').inspect({ a: 1 }, { colors: "
        "true }))",
        "a",
        env={"FORCE_COLOR": "1", "NO_COLOR": ""},
        mask=PID,
    ),
    _same(
        "system",
        """
        const os = require("os");
        console.log(os.cpus().length, os.availableParallelism());
        console.log(os.hostname(), os.homedir(), os.tmpdir());
        """,
        "sandbox /box /tmp",
    ),
]

DIFFERS = [
    Differs(
        "/proc/self/cmdline",
        Program(
            "const line = require('fs').readFileSync('/proc/self/cmdline', 'utf8');\n"
            "console.log(line.split('\\0').slice(-3));",
            args=("x",),
        ),
        r"\[ 'main.js', 'x', '' \]",
        r"\[ '--v8-pool-size=1', '/box/main.js', '' \]",
        "only the kernel writes there, when a program is executed; process.argv is right",
    ),
    Differs(
        "variables in /proc/self/environ",
        Program(
            "console.log(require('fs').readFileSync('/proc/self/environ', 'utf8').includes('A=b'))",
            env={"A": "b"},
        ),
        "true",
        "false",
        "only the kernel writes there, when a program is executed; process.env and getenv have "
        "them",
    ),
    Differs(
        "age of the process",
        Program("console.log(performance.now() > 900, process.uptime() > 0.9)", waited_ms=1000),
        "false false",
        "true true",
        "performance.now() and process.uptime() count from the start of the process",
    ),
]

COLD = [
    StartsCold(f"variable {name}", Program("", env={name: value}), because)
    for name, value, because in (
        ("NODE_OPTIONS", "--stack-size=500", "options are read at the start"),
        ("NODE_PATH", "/box/lib", "the search path is made at the start"),
        ("UV_THREADPOOL_SIZE", "8", "the pool of threads may have been started"),
        ("HOME", "/tmp", "folders of modules are looked up in it at the start"),
        ("LC_ALL", "de_DE", "the locale is chosen at the start"),
        ("LANG", "de_DE", "the locale is chosen at the start"),
        ("LD_PRELOAD", "libm.so.6", "the dynamic linker reads it at the start"),
        ("GLIBC_TUNABLES", "glibc.malloc.check=3", "the C library reads it at the start"),
    )
]

TABLE = Table(
    language="javascript",
    same=[*IDENTITY, *MODULES, *ENDS, *STREAMS, *PROCESSES, *ENVIRONMENT],
    random=[
        Program("console.log(Math.random())"),
        Program("console.log(crypto.randomUUID(), require('crypto').randomBytes(8))"),
    ],
    differs=DIFFERS,
    cold=COLD,
)
