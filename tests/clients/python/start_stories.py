"""Starts that fail, with what only a real nats-server and built plugins can show: one clear line, nothing half started."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import nats

from server import PORT, REPOSITORY

# Installed beside this Python.
NATS_SERVER = pathlib.Path(sys.executable).with_name("nats-server")
END_SECONDS = 20

# What is changed in the quick start's configuration, and how the one line ends.
BROKEN_QUICK_STARTS = [
    (
        'plugin = "redact"',
        'plugin = "json-filter"',
        '[[transforms]] needs a plugin with a transform, and "json-filter" has none',
    ),
    (
        'config = { hash = ["operator"]',
        'config = { hsh = ["operator"]',
        'plugin "redact": its config is refused: unknown field `hsh`, expected one of `hash`',
    ),
    (
        'file = "plugins/redact.wasm"',
        'file = "plugins/redact.wasm"\nsha256 = "' + 64 * "0" + '"',
        "and the config pins " + 64 * "0",
    ),
    ('file = "plugins/redact.wasm"', 'file = "plugins/redacted.wasm"', "No such file or directory"),
]


async def streams_of_nats_server_are_told_and_not_touched() -> None:
    with tempfile.TemporaryDirectory(prefix="forebay-story-") as folder:
        process, port = start(NATS_SERVER, "-js", "-sd", folder)
        connection = await nats.connect(f"nats://127.0.0.1:{port}")
        js = connection.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.*"])
        for number in range(100):
            await js.publish("orders.new", f"{number}".encode())
        await connection.close()
        stop(process)
        before = tree(folder)
        assert any(name.endswith(".blk") for name in before), sorted(before)
        told = refused(folder, "-js", "-sd", folder)
        assert f"{folder}/jetstream holds streams of nats-server" in told and "--ignore-nats-store" in told, told
        # The flag lets us start beside them, and still nothing of theirs changes.
        process, _ = start(os.environ["FOREBAY_BIN"], "-js", "-sd", folder, "--ignore-nats-store")
        stop(process)
        assert {name: content for name, content in tree(folder).items() if name in before} == before


async def a_quick_start_with_a_mistake_says_which() -> None:
    for good, bad, told in BROKEN_QUICK_STARTS:
        with tempfile.TemporaryDirectory(prefix="forebay-story-") as folder:
            config = pathlib.Path(folder, "config")
            shutil.copytree(REPOSITORY / "config" / "plugins", config / "plugins")
            text = (REPOSITORY / "config" / "quickstart.toml").read_text()
            assert good in text, good
            text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:-1", text).replace(good, bad, 1)
            (config / "quickstart.toml").write_text(text)
            line = refused(folder, "-c", str(config / "quickstart.toml"))
            assert told in line, line


def start(program, *flags: str) -> tuple[subprocess.Popen, str]:
    command = [program, "-a", "127.0.0.1", "-p", "-1", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    port = ""
    for line in process.stderr:
        found = PORT.search(line)
        port = found.group(1).decode() if found else port
        if b"Server is ready" in line:
            return process, port
    raise AssertionError(f"{program} ended at start")


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    process.stderr.read()
    assert process.wait(END_SECONDS) == 0


def refused(folder: str, *flags: str) -> str:
    """The one line that says why; `folder` is as it was."""
    before = tree(folder)
    command = [os.environ["FOREBAY_BIN"], "-P", f"{folder}/pid", "--ports_file_dir", folder, *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=END_SECONDS)
    lines = [line for line in ended.stderr.splitlines() if "[INF]" not in line]
    assert ended.returncode == 1 and len(lines) == 1 and "[FTL] " in lines[0], (ended.returncode, ended.stderr)
    assert tree(folder) == before
    return lines[0]


def tree(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in pathlib.Path(folder).rglob("*")}


STORIES = [streams_of_nats_server_are_told_and_not_touched, a_quick_start_with_a_mistake_says_which]
