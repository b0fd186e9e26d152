// What Node programs ask of the kernel: each need fails loudly, the last line is "ok".
const assert = require('node:assert')
const { execFileSync, fork, spawnSync } = require('node:child_process')
const cluster = require('node:cluster')
const crypto = require('node:crypto')
const dgram = require('node:dgram')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const os = require('node:os')
const { pipeline } = require('node:stream/promises')
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
const zlib = require('node:zlib')

async function workers() {
  const shared = new Int32Array(new SharedArrayBuffer(4))
  const all = [1, 2, 3].map(() => new Worker(__filename, { workerData: shared }))
  await Promise.all(all.map((worker) => once(worker, 'exit')))
  assert.strictEqual(shared[0], 3)
}

async function processes() {
  assert.strictEqual(execFileSync('echo', ['x']).toString(), 'x\n')
  assert.strictEqual(spawnSync('exit 3', { shell: true }).status, 3)
  const child = fork(__filename, ['child'])
  const [message] = await once(child, 'message')
  assert.strictEqual(message, 'from the child')
  await once(child, 'exit')
  cluster.setupPrimary({ args: ['child'] })
  const [worker] = await once(cluster.fork(), 'message')
  assert.ok(worker)
}

async function sockets() {
  const server = http.createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`)
  assert.strictEqual(await answer.text(), 'hello')
  server.closeAllConnections()
  server.close()
  const unix = net.createServer((socket) => socket.end('x')).listen('echo.sock')
  await once(unix, 'listening')
  const [data] = await once(net.connect('echo.sock'), 'data')
  assert.strictEqual(data.toString(), 'x')
  unix.close()
  const udp = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  await once(udp, 'listening')
  udp.send('x', udp.address().port, '127.0.0.1')
  await once(udp, 'message')
  udp.close()
  assert.ok(os.networkInterfaces().lo)
}

async function files() {
  fs.writeFileSync('source', 'x'.repeat(100000))
  fs.copyFileSync('source', 'target')
  fs.cpSync('.', '/tmp/tree', { recursive: true, filter: (name) => !name.endsWith('.sock') })
  await pipeline(fs.createReadStream('source'), zlib.createGzip(), fs.createWriteStream('packed'))
  const watcher = fs.watch('.')
  setTimeout(() => fs.writeFileSync('seen', ''), 20)
  await once(watcher, 'change')
  watcher.close()
  await fs.promises.mkdtemp('/tmp/needs-')
}

async function computing() {
  await new Promise((done) => crypto.scrypt('a', 'b', 32, done))
  crypto.randomBytes(16)
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  await WebAssembly.instantiate(empty)
  let sum = 0
  for (let i = 0; i < 3e6; i++) sum += i % 7 // long enough for the optimising compiler
  assert.ok(sum > 0 && os.availableParallelism() > 0 && process.memoryUsage().rss > 0)
}

async function main() {
  for (const need of [workers, processes, sockets, files, computing]) await need()
  console.log('ok')
}

if (!isMainThread) {
  Atomics.add(workerData, 0, 1)
  parentPort?.close()
} else if (process.argv[2] === 'child') {
  process.send('from the child', () => process.exit(0))
} else {
  main()
}
