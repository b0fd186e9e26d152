// Makes a Node process wait, inside of its own start, until it is told what to run.
//
// Started as `NODE_OPTIONS=--require=<this file> node [options] /box/main.js` in /, with the channel moved to a
// descriptor above all of Node's own, which then have the numbers that they always have. What --require
// names is the last that Node loads before its script, and all after it Node does by itself. An option of the
// environment, since those of the command line are in process.execArgv, which children are started with. In /,
// since the loader looks for a package.json where it starts, and never again where it found none.
"use strict";

const CHANNEL = 63;
const WORKING_DIRECTORY = "/box";

// Worker threads inherit --require, and have nothing to wait for: the variable is gone by then.
if (process.env.NODE_OPTIONS === `--require=${__filename}`) {
    wait(require("fs"));
}
forget();

function wait(fs) {
    process.chdir(WORKING_DIRECTORY);
    fs.writeSync(CHANNEL, "\0");
    const [argv, env] = receive(fs);
    takeArguments(argv);
    takeEnvironment(env);
}

// argv and environment, from the message that begins with their counts.
function receive(fs) {
    const parts = [];
    const part = Buffer.allocUnsafeSlow(65536);
    for (let size; (size = fs.readSync(CHANNEL, part)) > 0; ) {
        parts.push(Buffer.from(part.subarray(0, size)));
    }
    fs.closeSync(CHANNEL);
    const message = Buffer.concat(parts);
    const strings = [];
    for (let at = 8; at < message.length; ) {
        const end = at + 4 + message.readUInt32LE(at);
        strings.push(message.toString("utf8", at + 4, end));
        at = end;
    }
    const argc = message.readUInt32LE(0);
    return [strings.slice(0, argc), strings.slice(argc)];
}

// In place: the array is Node's own. Options cannot change any more, and must be those of this process.
function takeArguments(argv) {
    const options = process.execArgv;
    const given = argv.slice(1, options.length + 1);
    if (given.join("\0") !== options.join("\0")) {
        throw new Error(`this process waits with the options ${options}; the command has ${given}`);
    }
    process.argv.push(...argv.slice(options.length + 2));
}

// Each change goes to the C library's environment.
function takeEnvironment(env) {
    for (const name of Object.keys(process.env)) {
        delete process.env[name];
    }
    for (const entry of env) {
        const at = entry.indexOf("=");
        process.env[entry.slice(0, at)] = entry.slice(at + 1);
    }
}

// What the loader remembers of this file, in this thread.
function forget() {
    const Module = module.constructor;
    delete Module._cache[__filename];
    for (const key of Object.keys(Module._pathCache)) {
        if (Module._pathCache[key] === __filename) {
            delete Module._pathCache[key];
        }
    }
}
