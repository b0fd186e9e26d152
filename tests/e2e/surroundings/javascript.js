import fs from "node:fs";
import net from "node:net";
import { once } from "node:events";

const line = fs.readFileSync("/dev/stdin", "utf8").trimEnd();
console.log(line, [...line].length);
fs.writeFileSync("/dev/stdout", "written again\n");

const server = net.createServer((peer) => peer.end("ping")).listen(0, "localhost");
await once(server, "listening");
const client = net.connect(server.address().port, "localhost");
const [answer] = await once(client, "data");
server.close();
console.log(String(answer));
const outside = net.connect(80, "192.0.2.1");
const [failure] = await once(outside, "error");
console.log(`errno ${-failure.errno}`);

for (const folder of ["/box", "/tmp"]) {
    fs.writeFileSync(`${folder}/ß`, folder);
    console.log(fs.readFileSync(`${folder}/ß`, "utf8"));
}
console.log(Number(process.env.UV_THREADPOOL_SIZE));
