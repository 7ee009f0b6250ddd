"""The quick start's configuration as a user meets it: transforms, a filtered consumer, reloads, metrics."""

import asyncio
import collections
import json
import os
import urllib.request

import nats
from nats.errors import TimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from server import REPOSITORY, Server

EVENTS = [line for line in (REPOSITORY / "examples/data/strikes.jsonl").read_bytes().split(b"\n") if line]
OPERATORS = {json.loads(line)["operator"] for line in EVENTS}
RELOADS = 12


async def strikes_arrive_once_and_damaged_gets_426(server: Server) -> None:
    connection = await nats.connect(server.url)
    js = connection.jetstream()
    for start in range(0, len(EVENTS), 200):
        batch = enumerate(EVENTS[start : start + 200], start)
        acks = await asyncio.gather(*[publish(js, line, f"0-{number}") for number, line in batch])
        assert all(ack.stream == "STRIKES" for ack in acks)
    seen = await everything(js, 1)
    assert len(seen) == 4000 and all(len(messages) == 1 for messages in seen.values())
    for (message,) in seen.values():
        event = json.loads(message.data)
        assert event["operator"] not in OPERATORS
        assert message.subject == f"strikes.{token(event['state'])}.{token(event['size'])}", message.subject
    subscription = await js.pull_subscribe("strikes.*.*", durable="damaged", stream="STRIKES")
    damaged = 0
    try:
        while True:
            for message in await subscription.fetch(100, timeout=2):
                assert json.loads(message.data)["damage"] != "None"
                await message.ack()
                damaged += 1
    except TimeoutError:
        pass
    info = await subscription.consumer_info()
    assert (damaged, info.num_pending) == (426, 0), (damaged, info.num_pending)
    rows = metrics(server)
    assert rows['forebay_consumer_filtered_total{account="$G",stream="STRIKES",consumer="damaged"}'] == 3574
    assert rows['forebay_plugin_calls_total{plugin="redact",kind="transform",outcome="replace"}'] == 4000
    await connection.close()


async def reloads_lose_and_double_nothing(server: Server) -> None:
    connection = await nats.connect(server.url)
    js = connection.jetstream()
    plugin = server.config.parent / "plugins" / "redact.wasm"
    code, text = plugin.read_bytes(), server.config.read_text()
    sent, stopped = [], False

    async def publisher(name: int) -> None:
        number = 0
        while not stopped:
            await publish(js, EVENTS[number % len(EVENTS)], f"{name}-{number}")
            sent.append(f"{name}-{number}")
            number += 1

    publishers = [asyncio.create_task(publisher(name)) for name in range(20)]
    for reload in range(RELOADS):
        await asyncio.sleep(0.7)
        if reload == 5:
            plugin.write_bytes(b"no plugin")
        elif reload == 9:
            server.config.write_text("x = [")
        elif reload % 2 == 0:
            # A custom section that nobody reads makes it another file.
            section = b"t" + bytes([reload])
            fresh = plugin.with_suffix(".new")
            fresh.write_bytes(code + bytes([0, len(section) + 1, len(section)]) + section)
            os.rename(fresh, plugin)
        else:
            also = ', "airport"' if reload % 4 == 1 else ""
            server.config.write_text(text.replace('hash = ["operator"]', f'hash = ["operator"{also}]'))
    await asyncio.sleep(1)
    stopped = True
    await asyncio.gather(*publishers)
    seen = await everything(js, 1)
    assert set(seen) == set(sent), (len(set(sent) - set(seen)), len(set(seen) - set(sent)))
    stamps = collections.Counter()
    for (message,) in seen.values():
        assert json.loads(message.data)["operator"] not in OPERATORS
        stamp = message.headers["Forebay-Plugin"]
        assert stamp.count("redact@") == 1 and "," not in stamp, stamp
        stamps[stamp] += 1
    assert len(stamps) >= RELOADS // 2, stamps
    rows = metrics(server)
    assert rows['forebay_plugin_reloads_total{plugin="redact",result="ok"}'] >= len(stamps) - 1
    assert rows['forebay_plugin_reloads_total{plugin="redact",result="failed"}'] >= 1
    await connection.close()


async def publish(js, line: bytes, replay: str):
    return await js.publish("faa.strikes", line, headers={"Replay-Id": replay}, timeout=20)


async def everything(js, first: int) -> dict:
    """All messages of the stream from a sequence on, by Replay-Id."""
    last = (await js.stream_info("STRIKES")).state.last_seq
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=first, ack_policy=AckPolicy.NONE
    )
    subscription = await js.pull_subscribe("strikes.*.*", stream="STRIKES", config=config)
    seen, count = collections.defaultdict(list), 0
    while count < last - first + 1:
        for message in await subscription.fetch(500, timeout=5):
            seen[message.headers["Replay-Id"]].append(message)
            count += 1
    return seen


def token(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text.lower())


def metrics(server: Server) -> dict:
    with urllib.request.urlopen(f"{server.monitor}/metrics") as answer:
        lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


STORIES = [strikes_arrive_once_and_damaged_gets_426, reloads_lose_and_double_nothing]
