"""JetStream as a program with nats-py uses it."""

import asyncio

import nats
from nats.errors import TimeoutError
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, NotFoundError

from server import Server


async def publish_and_fetch(server: Server) -> None:
    async with Stream(server, "ORDERS", "orders.*") as (_, js):
        for number in range(10):
            ack = await js.publish(f"orders.{number}", str(number).encode())
            assert (ack.stream, ack.seq) == ("ORDERS", number + 1)
        subscription = await js.pull_subscribe("orders.*", durable="worker")
        messages = await subscription.fetch(10, timeout=2)
        assert [message.data for message in messages] == [str(number).encode() for number in range(10)]
        for message in messages:
            await message.ack_sync()
        info = await subscription.consumer_info()
        assert (info.num_pending, info.num_ack_pending, info.ack_floor.stream_seq) == (0, 0, 10)
        try:
            await subscription.fetch(1, timeout=0.3)
            raise AssertionError("there is nothing left")
        except TimeoutError:
            pass


async def push_subscription(server: Server) -> None:
    async with Stream(server, "EVENTS", "events.>") as (_, js):
        for number in range(5):
            await js.publish("events.a", str(number).encode())
        received = asyncio.Queue()
        await js.subscribe("events.a", cb=received.put, durable="pusher", manual_ack=True)
        for number in range(5):
            message = await asyncio.wait_for(received.get(), 2)
            assert message.data == str(number).encode()
            assert message.metadata.sequence.stream == number + 1
            assert message.metadata.num_pending == 4 - number
            await message.ack()
        await js.publish("events.a", b"later")
        assert (await asyncio.wait_for(received.get(), 2)).data == b"later"


async def ordered_consumer(server: Server) -> None:
    async with Stream(server, "LOG", "log.>") as (_, js):
        for number in range(200):
            await js.publish("log.x", str(number).encode())
        subscription = await js.subscribe("log.>", ordered_consumer=True)
        for number in range(200):
            message = await subscription.next_msg(timeout=2)
            assert message.data == str(number).encode()
        await js.publish("log.x", b"new")
        assert (await subscription.next_msg(timeout=2)).data == b"new"


async def duplicates_are_told(server: Server) -> None:
    async with Stream(server, "IDS", "ids") as (_, js):
        first = await js.publish("ids", b"1", headers={"Nats-Msg-Id": "one"})
        again = await js.publish("ids", b"1", headers={"Nats-Msg-Id": "one"})
        assert not first.duplicate and again.duplicate and again.seq == first.seq
        assert (await js.stream_info("IDS")).state.messages == 1


async def expectations_are_kept(server: Server) -> None:
    async with Stream(server, "EXPECT", "expect") as (_, js):
        await js.publish("expect", b"1", headers={"Nats-Expected-Last-Sequence": "0"})
        try:
            await js.publish("expect", b"2", headers={"Nats-Expected-Last-Sequence": "0"})
        except APIError as error:
            assert error.err_code == 10071, error
            return
        raise AssertionError("a wrong expectation must be refused")


async def redelivery_after_ack_wait(server: Server) -> None:
    async with Stream(server, "AGAIN", "again") as (_, js):
        await js.publish("again", b"x")
        config = ConsumerConfig(ack_wait=0.5, max_deliver=3)
        subscription = await js.pull_subscribe("again", durable="slow", config=config)
        deliveries = []
        for _ in range(3):
            message = (await subscription.fetch(1, timeout=3))[0]
            deliveries.append(message.metadata.num_delivered)
        assert deliveries == [1, 2, 3], deliveries
        try:
            await subscription.fetch(1, timeout=1)
            raise AssertionError("not more often than max_deliver")
        except TimeoutError:
            pass


async def the_verbs_of_an_ack(server: Server) -> None:
    async with Stream(server, "VERBS", "verbs") as (_, js):
        for number in range(3):
            await js.publish("verbs", str(number).encode())
        subscription = await js.pull_subscribe("verbs", durable="verbs")
        naked, termed, working = await subscription.fetch(3, timeout=2)
        await naked.nak()
        await termed.term()
        await working.in_progress()
        again = (await subscription.fetch(1, timeout=2))[0]
        assert again.data == b"0" and again.metadata.num_delivered == 2
        await again.ack_sync()
        await working.ack_sync()
        info = await subscription.consumer_info()
        assert (info.num_ack_pending, info.ack_floor.stream_seq) == (0, 3), info


async def limits_drop_the_oldest(server: Server) -> None:
    async with Stream(server, "SMALL", "small.>", max_msgs=3) as (_, js):
        for number in range(5):
            await js.publish("small.x", str(number).encode())
        state = (await js.stream_info("SMALL")).state
        assert (state.messages, state.first_seq, state.last_seq) == (3, 3, 5), state


async def discard_new_refuses(server: Server) -> None:
    async with Stream(server, "FULL", "full", max_msgs=1, discard=DiscardPolicy.NEW) as (_, js):
        await js.publish("full", b"1")
        try:
            await js.publish("full", b"2")
        except APIError as error:
            assert error.err_code == 10077, error
            return
        raise AssertionError("a full stream must refuse")


async def work_queue(server: Server) -> None:
    async with Stream(server, "WORK", "work", retention=RetentionPolicy.WORK_QUEUE) as (_, js):
        for number in range(3):
            await js.publish("work", str(number).encode())
        subscription = await js.pull_subscribe("work", durable="workers")
        for message in await subscription.fetch(2, timeout=2):
            await message.ack_sync()
        await eventually(lambda: messages_of(js, "WORK"), 1)


async def memory_storage(server: Server) -> None:
    async with Stream(server, "RAM", "ram", storage=StorageType.MEMORY) as (_, js):
        await js.publish("ram", b"x")
        message = await js.get_msg("RAM", 1)
        assert (message.subject, message.data) == ("ram", b"x")


async def where_a_consumer_starts(server: Server) -> None:
    async with Stream(server, "START", "start.>") as (_, js):
        for name in ("a", "b", "a"):
            await js.publish(f"start.{name}", name.encode())
        starts = {
            DeliverPolicy.ALL: [1, 2, 3],
            DeliverPolicy.LAST: [3],
            DeliverPolicy.NEW: [],
            DeliverPolicy.LAST_PER_SUBJECT: [2, 3],
        }
        for policy, expected in starts.items():
            config = ConsumerConfig(deliver_policy=policy, ack_policy=AckPolicy.NONE, filter_subject="start.*")
            subscription = await js.subscribe("start.*", config=config)
            got = []
            for _ in expected:
                got.append((await subscription.next_msg(timeout=2)).metadata.sequence.stream)
            assert got == expected, (policy, got)
            await subscription.unsubscribe()


async def managing_streams(server: Server) -> None:
    client = await nats.connect(server.url)
    js = client.jetstream()
    for name in ("ONE", "TWO"):
        await js.add_stream(name=name, subjects=[f"{name.lower()}.>"])
    assert await js.find_stream_name_by_subject("two.x") == "TWO"
    assert [info.config.name for info in await js.streams_info()] == ["ONE", "TWO"]
    updated = await js.update_stream(StreamConfig(name="ONE", subjects=["one.>"], max_msgs=7))
    assert updated.config.max_msgs == 7
    try:
        await js.add_stream(name="THREE", subjects=["two.>"])
        raise AssertionError("overlapping subjects must be refused")
    except BadRequestError as error:
        assert error.err_code == 10065, error
    await js.publish("one.x", b"1")
    await js.purge_stream("ONE")
    assert (await js.stream_info("ONE")).state.messages == 0
    for name in ("ONE", "TWO"):
        assert await js.delete_stream(name)
    try:
        await js.stream_info("ONE")
        raise AssertionError("it was deleted")
    except NotFoundError:
        pass
    await client.close()


async def reading_and_deleting_messages(server: Server) -> None:
    async with Stream(server, "READ", "read.>") as (_, js):
        for name in ("a", "b", "a"):
            await js.publish(f"read.{name}", name.encode(), headers={"Name": name})
        assert (await js.get_msg("READ", 2)).data == b"b"
        last = await js.get_last_msg("READ", "read.a")
        assert (last.seq, last.headers["Name"]) == (3, "a")
        assert await js.delete_msg("READ", 2)
        try:
            await js.get_msg("READ", 2)
            raise AssertionError("it was deleted")
        except NotFoundError:
            pass
        assert (await js.stream_info("READ")).state.messages == 2


async def account_information(server: Server) -> None:
    async with Stream(server, "ACC", "acc") as (_, js):
        await js.publish("acc", b"x")
        info = await js.account_info()
        assert info.streams == 1 and info.storage > 0, info


async def what_is_acked_outlives_a_kill(_: Server) -> None:
    with Server(jetstream=True) as own:
        client = await nats.connect(own.url, allow_reconnect=False)
        js = client.jetstream()
        await js.add_stream(name="KEPT", subjects=["kept"])
        for number in range(100):
            await js.publish("kept", str(number).encode())
        subscription = await js.pull_subscribe("kept", durable="d")
        for message in await subscription.fetch(40, timeout=2):
            await message.ack_sync()
        own.restart(kill=True)
        client = await nats.connect(own.url)
        js = client.jetstream()
        assert (await js.stream_info("KEPT")).state.last_seq == 100
        subscription = await js.pull_subscribe("kept", durable="d")
        rest = []
        while True:
            try:
                rest += [int(message.data) for message in await subscription.fetch(100, timeout=0.5)]
            except TimeoutError:
                break
        # nats-server writes a consumer's acks to disk a moment later, so a kill may bring acked messages again.
        # Here an answered ack is durable.
        is_ours = "forebay" in str(client.connected_server_version.prerelease)
        if is_ours:
            assert rest == list(range(40, 100)), rest
        assert set(range(40, 100)) <= set(rest), rest
        await client.close()


async def eventually(ask, wanted, seconds: float = 3) -> None:
    """Some effects of an ack are seen a moment later, on nats-server too."""
    got = None
    for _ in range(int(seconds / 0.05)):
        got = await ask()
        if got == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{got} instead of {wanted}")


async def messages_of(js, stream: str) -> int:
    return (await js.stream_info(stream)).state.messages


class Stream:
    """A client and a stream that is deleted at the end."""

    def __init__(self, server: Server, name: str, subject: str, **config):
        self.server, self.name, self.subject, self.config = server, name, subject, config

    async def __aenter__(self):
        self.client = await nats.connect(self.server.url)
        self.js = self.client.jetstream()
        await self.js.add_stream(name=self.name, subjects=[self.subject], **self.config)
        return self.client, self.js

    async def __aexit__(self, *_):
        await self.js.delete_stream(self.name)
        await self.client.close()


STORIES = [
    publish_and_fetch,
    push_subscription,
    ordered_consumer,
    duplicates_are_told,
    expectations_are_kept,
    redelivery_after_ack_wait,
    the_verbs_of_an_ack,
    limits_drop_the_oldest,
    discard_new_refuses,
    work_queue,
    memory_storage,
    where_a_consumer_starts,
    managing_streams,
    reading_and_deleting_messages,
    account_information,
    what_is_acked_outlives_a_kill,
]
