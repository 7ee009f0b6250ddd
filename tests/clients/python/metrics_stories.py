"""`/metrics` beside nats-py: what is counted is what a client did, and a counter never goes back."""

import json
import re
import urllib.request

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from server import Server

SAMPLE = re.compile(r"^(forebay_\w+?)(\{.*\})? (\S+)$")
LABELS = 'account="$G",stream="STRIKES"'


def samples(server: Server) -> dict[str, float]:
    with urllib.request.urlopen(f"{server.monitor}/metrics") as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer.headers
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    found = [SAMPLE.match(line) for line in lines]
    assert all(found) and len({match[1] + (match[2] or "") for match in found}) == len(found)
    return {match[1] + (match[2] or ""): float(match[3]) for match in found}


async def counters_say_what_happened_and_never_go_back(server: Server) -> None:
    connection = await nats.connect(server.url)
    js = connection.jetstream()
    for number in range(20):
        await js.publish(f"strikes.a.b{number % 2}", b"{}", headers={"Nats-Msg-Id": str(number % 15)})
    consumer = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=300)
    first = await js.pull_subscribe("", stream="STRIKES", config=consumer)
    await js.pull_subscribe("", stream="STRIKES", config=consumer)
    for message in (await first.fetch(10))[:4]:
        await message.ack_sync()
    seen = samples(server)
    ephemeral = LABELS + ',consumer="_ephemeral"'
    wanted = {
        f'forebay_stream_messages{{{LABELS},storage="file"}}': 15,
        f'forebay_stream_published_total{{{LABELS},storage="file"}}': 15,
        f'forebay_stream_duplicates_total{{{LABELS},storage="file"}}': 5,
        f'forebay_stream_consumers{{{LABELS},storage="file"}}': 2,
        f'forebay_stream_refused_total{{{LABELS},storage="file",reason="limit"}}': 0,
        f"forebay_consumer_pending{{{ephemeral}}}": 5 + 15,
        f"forebay_consumer_ack_pending{{{ephemeral}}}": 6,
        f"forebay_consumer_delivered_total{{{ephemeral}}}": 10,
        f"forebay_consumer_acked_total{{{ephemeral}}}": 4,
    }
    assert {name: seen.get(name) for name in wanted} == wanted
    # The consumer goes, and what it had counted stays.
    info = await first.consumer_info()
    await js.delete_consumer("STRIKES", info.name)
    after = samples(server)
    back = [name for name, value in seen.items() if "_total" in name and after.get(name, 0) < value]
    assert not back, back
    assert after[f"forebay_consumer_ack_pending{{{ephemeral}}}"] == 0
    assert after[f"forebay_consumer_pending{{{ephemeral}}}"] == 15
    await connection.close()


async def odd_names_are_escaped(server: Server) -> None:
    connection = await nats.connect(server.url)
    name = 'a"b{c}=,é'
    config = json.dumps({"name": name, "subjects": ["odd"]}).encode()
    answer = await connection.request(f"$JS.API.STREAM.CREATE.{name}", config)
    assert "error" not in json.loads(answer.data), answer.data
    assert samples(server)['forebay_stream_messages{account="$G",stream="a\\"b{c}=,é",storage="file"}'] == 0
    await connection.close()


STORIES = [counters_say_what_happened_and_never_go_back, odd_names_are_escaped]
