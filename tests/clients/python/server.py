"""A server under test: the program of FOREBAY_BIN (or any other), on a free port in a folder of its own."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

START_SECONDS = 20
STOP_SECONDS = 15
REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
MONITOR = re.compile(rb"Starting http monitor on 127\.0\.0\.1:(\d+)")
PORT = re.compile(rb"Listening for client connections on 127\.0\.0\.1:(\d+)")


class Server:
    """Starts on entry, stops and removes its folder on exit; `restart` keeps the folder."""

    def __init__(self, *flags: str, jetstream: bool = False, quickstart: bool = False):
        self.folder = tempfile.mkdtemp(prefix="forebay-story-")
        self.flags = list(flags)
        self.config = pathlib.Path(self.folder, "config", "quickstart.toml")
        self.monitor = ""
        if quickstart:
            # The quick start's own files, on free ports.
            shutil.copytree(REPOSITORY / "config" / "plugins", self.config.parent / "plugins")
            text = (REPOSITORY / "config" / "quickstart.toml").read_text()
            self.config.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:-1", text))
            self.flags += ["-c", str(self.config)]
        if jetstream:
            self.flags += ["-js", "-sd", self.folder]
        self.process = None
        self.url = ""

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        command = [os.environ["FOREBAY_BIN"], "-a", "127.0.0.1", "-p", "-1", *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder)
        port, deadline, lines = None, time.monotonic() + START_SECONDS, []
        for line in self.process.stderr:
            lines.append(line)
            found = PORT.search(line)
            port = found.group(1).decode() if found else port
            monitor = MONITOR.search(line)
            if monitor:
                self.monitor = f"http://127.0.0.1:{monitor.group(1).decode()}"
            if b"Server is ready" in line:
                break
            if time.monotonic() > deadline:
                break
        else:
            raise AssertionError("the server ended at start: " + b"".join(lines).decode(errors="replace"))
        assert port, "ready without a port in the log"
        self.url = f"nats://127.0.0.1:{port}"
        # Nobody needs the rest of the log, but a full pipe must never hold the server up.
        threading.Thread(target=drain, args=(self.process.stderr,), daemon=True).start()

    def stop(self, kill: bool = False) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        assert kill or code == 0, f"exit code {code} after SIGTERM"
        self.process = None

    def restart(self, kill: bool = False) -> None:
        self.stop(kill)
        self.start()


def drain(pipe) -> None:
    for _ in pipe:
        pass
