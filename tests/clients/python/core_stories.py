"""Core NATS as a program with nats-py uses it."""

import asyncio

import nats
from nats.errors import NoRespondersError, TimeoutError

from server import Server


async def publish_and_subscribe(server: Server) -> None:
    client = await nats.connect(server.url)
    received = asyncio.Queue()
    await client.subscribe("greet.*", cb=received.put)
    await client.publish("greet.joe", b"hello")
    await client.publish("other.joe", b"not for us")
    await client.publish("greet.sue", b"")
    first, second = await wait(received), await wait(received)
    assert (first.subject, first.data) == ("greet.joe", b"hello")
    assert (second.subject, second.data) == ("greet.sue", b"")
    await client.close()


async def a_request_is_answered(server: Server) -> None:
    service, client = await nats.connect(server.url), await nats.connect(server.url)

    async def answer(message):
        await message.respond(b"answer to " + message.data)

    await service.subscribe("help", cb=answer)
    await service.flush()
    for number in range(20):
        response = await client.request("help", str(number).encode(), timeout=2)
        assert response.data == f"answer to {number}".encode()
    await client.close()
    await service.close()


async def nobody_listens(server: Server) -> None:
    client = await nats.connect(server.url)
    try:
        await client.request("nobody", b"", timeout=2)
    except NoRespondersError:
        return
    finally:
        await client.close()
    raise AssertionError("a request that nobody hears must fail at once")


async def a_silent_listener_is_a_timeout(server: Server) -> None:
    client = await nats.connect(server.url)
    await client.subscribe("silent")
    try:
        await client.request("silent", b"", timeout=0.3)
    except TimeoutError:
        return
    finally:
        await client.close()
    raise AssertionError("a request without an answer must time out")


async def headers_travel(server: Server) -> None:
    client = await nats.connect(server.url)
    subscription = await client.subscribe("with.headers")
    await client.publish("with.headers", b"body", headers={"Colour": "blue", "Empty": ""})
    message = await subscription.next_msg(timeout=2)
    assert message.data == b"body"
    assert message.headers["Colour"] == "blue"
    await client.close()


async def a_queue_group_shares(server: Server) -> None:
    publisher = await nats.connect(server.url)
    workers = [await nats.connect(server.url) for _ in range(3)]
    counts = [0, 0, 0]
    done = asyncio.Event()

    def worker(index):
        async def take(_):
            counts[index] += 1
            if sum(counts) == 300:
                done.set()

        return take

    for index, client in enumerate(workers):
        await client.subscribe("work", queue="workers", cb=worker(index))
        await client.flush()
    for _ in range(300):
        await publisher.publish("work", b"x")
    await asyncio.wait_for(done.wait(), 5)
    await asyncio.sleep(0.1)
    assert sum(counts) == 300, counts
    assert all(count > 0 for count in counts), counts
    for client in [publisher, *workers]:
        await client.close()


async def unsubscribe_after_a_number(server: Server) -> None:
    client = await nats.connect(server.url)
    received = asyncio.Queue()
    subscription = await client.subscribe("limited", cb=received.put)
    await subscription.unsubscribe(limit=3)
    for number in range(10):
        await client.publish("limited", str(number).encode())
    await client.flush()
    await asyncio.sleep(0.2)
    assert received.qsize() == 3, received.qsize()
    await client.close()


async def drain_loses_nothing(server: Server) -> None:
    client, publisher = await nats.connect(server.url), await nats.connect(server.url)
    received = []

    async def slowly(message):
        await asyncio.sleep(0.001)
        received.append(message.data)

    await client.subscribe("drained", cb=slowly)
    await client.flush()
    for number in range(100):
        await publisher.publish("drained", str(number).encode())
    await publisher.flush()
    # A drain that comes before the first message has reached the client ends the subscription without any.
    while not received:
        await asyncio.sleep(0.001)
    await client.drain()
    assert received == [str(number).encode() for number in range(100)], len(received)
    await publisher.close()


async def a_large_message(server: Server) -> None:
    client = await nats.connect(server.url)
    subscription = await client.subscribe("large")
    body = bytes(range(256)) * 4000
    await client.publish("large", body)
    message = await subscription.next_msg(timeout=5)
    assert message.data == body
    await client.close()


async def many_messages_keep_their_order(server: Server) -> None:
    publisher, client = await nats.connect(server.url), await nats.connect(server.url)
    subscription = await client.subscribe("ordered", pending_msgs_limit=100_000)
    await client.flush()
    for number in range(20_000):
        await publisher.publish("ordered", str(number).encode())
    await publisher.flush()
    for number in range(20_000):
        message = await subscription.next_msg(timeout=5)
        assert message.data == str(number).encode(), (number, message.data)
    await publisher.close()
    await client.close()


async def reconnect_after_a_restart(server: Server) -> None:
    # The port has to stay, so this story has a server of its own on the port that the first start found.
    with Server() as own:
        port = own.url.rsplit(":", 1)[1]
        own.stop()
        own.flags += ["-p", port]
        own.start()
        reconnected = asyncio.Event()

        async def on_reconnect():
            reconnected.set()

        client = await nats.connect(own.url, reconnect_time_wait=0.1, reconnected_cb=on_reconnect)
        subscription = await client.subscribe("after")
        await client.flush()
        own.restart(kill=True)
        await asyncio.wait_for(reconnected.wait(), 10)
        await client.publish("after", b"still here")
        assert (await subscription.next_msg(timeout=2)).data == b"still here"
        await client.close()


async def a_token_is_asked_for(_: Server) -> None:
    with Server("--auth", "s3cret") as own:
        client = await nats.connect(own.url, token="s3cret")
        await client.flush()
        await client.close()
        await refused(own.url)
        await refused(own.url, token="wrong")


async def a_user_is_asked_for(_: Server) -> None:
    with Server("--user", "ada", "--pass", "lovelace") as own:
        client = await nats.connect(own.url, user="ada", password="lovelace")
        await client.flush()
        await client.close()
        await refused(own.url, user="ada", password="wrong")


async def refused(url: str, **options: str) -> None:
    try:
        client = await nats.connect(url, allow_reconnect=False, connect_timeout=2, **options)
        await client.close()
    except Exception as error:
        assert "authorization" in str(error).lower(), error
        return
    raise AssertionError("the server let a stranger in")


async def wait(queue: asyncio.Queue):
    return await asyncio.wait_for(queue.get(), 2)


STORIES = [
    publish_and_subscribe,
    a_request_is_answered,
    nobody_listens,
    a_silent_listener_is_a_timeout,
    headers_travel,
    a_queue_group_shares,
    unsubscribe_after_a_number,
    drain_loses_nothing,
    a_large_message,
    many_messages_keep_their_order,
    reconnect_after_a_restart,
    a_token_is_asked_for,
    a_user_is_asked_for,
]
