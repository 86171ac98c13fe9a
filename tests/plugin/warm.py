"""Runs of pytest, and workers of pytest-xdist, that start warm: forked from a process that has imported what they need.

Each is a new Python, which takes a second and a half of processor time to import pytest, boto3 and aiohttp; a
hundred tests under xdist would take minutes for nothing else. `python -m tests.plugin.warm SOCKET` imports once, and
forks for each request that comes on its socket: with the arguments, environment, folder and standard streams of a
small client (`CLIENT`), which execnet runs in place of Python. The fork does what Python would do with them.

It serves the tests of the plugin only, and says nothing about imports: those tests start processes of their own.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

MODULES = (
    *("_pytest.assertion.rewrite", "_pytest.junitxml", "pytest", "execnet", "xdist.remote", "xdist.dsession"),
    *("boto3", "botocore.session", "aiohttp.web", "uvloop", "msgpack", "click", "hypothesis"),
    *("sagetape.emulator", "sagetape.inprocess.recording", "sagetape.shell.server", "sagetape.shell.live"),
    *("sagetape.shell.store.rewriting", "sagetape.shell.upstreams.aws", "sagetape.shell.upstreams.function"),
    *("sagetape.pytest_plugin.fixtures", "sagetape.pytest_plugin.parts", "sagetape.pytest_plugin.reporting"),
)
"""Modules of plugins' own entry points stay out: pytest rewrites them as it loads them."""

CLIENT = """
import json, os, socket, sys
said = json.dumps({{"argv": sys.argv[1:], "environ": dict(os.environ), "folder": os.getcwd()}}).encode()
asked = socket.socket(socket.AF_UNIX)
asked.connect({path!r})
socket.send_fds(asked, [b"%08d" % len(said)], [0, 1, 2])
asked.sendall(said)
os.close(0), os.close(1)
code = 1
while ended := asked.recv(1): code = ended[0]  # until the fork has ended; one that is killed says nothing
os._exit(code)
"""


class Warm:
    """The process that forks. `python` is what execnet is to run as a worker's Python."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        path = Path(self._folder.name) / "socket"
        client = Path(self._folder.name) / "client.py"
        client.write_text(CLIENT.format(path=str(path)))
        self.python = f"{sys.executable} -SE {client}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.plugin.warm", str(path)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"warm\n"

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()


def serve(path: str) -> None:
    """Forks for everybody who asks, until it is told to end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    for name in MODULES:
        importlib.import_module(name)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)
    print("warm", flush=True)
    while True:
        asked, _ = listening.accept()
        if os.fork():
            asked.close()
        else:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            become(asked)


def become(asked: socket.socket) -> None:
    """What Python does with `-c CODE`, in this process; `asked` stays open as long as it lives."""
    size, streams, _, _ = socket.recv_fds(asked, 8, 3)
    data = b""
    while len(data) < int(size):
        data += asked.recv(1 << 20)
    said: dict[str, Any] = json.loads(data)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(said["folder"])
    os.environ.clear()
    os.environ.update(said["environ"])
    words = said["argv"]
    at = words.index("-c")
    sys.argv = ["-c", *words[at + 2 :]]
    code = 1
    try:
        exec(words[at + 1], {"__name__": "__main__", "__builtins__": __builtins__})
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        asked.send(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
