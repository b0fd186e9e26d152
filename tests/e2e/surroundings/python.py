# ruff: noqa: T201, PTH123 - a program as users write them
import os
import socket
import threading
from pathlib import Path

with open("/dev/stdin", encoding="utf-8") as again:
    line = again.readline().rstrip("\n")
print(line, len(line), flush=True)
with open("/dev/stdout", "w") as again:
    print("written again", file=again)

server = socket.create_server(("localhost", 0))
threading.Thread(target=lambda: server.accept()[0].sendall(b"ping")).start()
with socket.create_connection(("localhost", server.getsockname()[1])) as client:
    print(client.makefile().read())
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as failure:
    print(f"errno {failure.errno}")

for folder in ("/box", "/tmp"):
    Path(folder, "ß").write_text(folder)
    print(Path(folder, "ß").read_text())
print(os.process_cpu_count())
