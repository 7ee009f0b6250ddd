"""Core NATS on three servers of one cluster, as programs with nats-py use it."""

import asyncio
import json
import socket
import struct
import time

import nats
from nats.errors import NoRespondersError

from cluster import Cluster, info_of, is_nats_server, settled


async def clients_of(cluster: Cluster) -> list:
    return [await nats.connect(url, allow_reconnect=False) for url in cluster.urls()]


async def close(clients: list) -> None:
    for client in clients:
        await client.close()


async def every_subscriber_of_every_server_gets_each_message_once(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    heard = {}

    def listener(key):
        heard[key] = []

        async def take(message):
            heard[key].append(message.data)

        return take

    # Two plain subscribers a server, one by a wildcard, and one that matches twice.
    for number, client in enumerate(clients):
        await client.subscribe("news.today", cb=listener((number, "literal")))
        await client.subscribe("news.*", cb=listener((number, "wildcard")))
        await client.subscribe(">", cb=listener((number, "all")))
        await client.flush()
    await settled()
    for sender, client in enumerate(clients):
        for number in range(200):
            await client.publish("news.today", f"{sender}/{number}".encode())
        await client.flush()
    await eventually(lambda: all(len(messages) >= 600 for messages in heard.values()))
    await asyncio.sleep(0.2)
    for key, messages in heard.items():
        assert len(messages) == 600 and len(set(messages)) == 600, (key, len(messages), len(set(messages)))
        for sender in range(3):
            own = [message for message in messages if message.startswith(f"{sender}/".encode())]
            assert own == [f"{sender}/{number}".encode() for number in range(200)], (key, sender)
    await close(clients)


async def a_queue_group_over_servers_takes_each_message_once(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    taken = [[], [], []]
    for number, client in enumerate(clients):

        async def take(message, number=number):
            taken[number].append(message.data)

        await client.subscribe("work", queue="workers", cb=take)
        await client.flush()
    await settled()
    for number in range(300):
        await clients[0].publish("work", str(number).encode())
    await clients[0].flush()
    await eventually(lambda: sum(map(len, taken)) >= 300)
    await asyncio.sleep(0.2)
    counts = [len(messages) for messages in taken]
    everything = [message for messages in taken for message in messages]
    assert len(everything) == 300 and len(set(everything)) == 300, counts
    if is_nats_server():
        assert all(count > 30 for count in counts), counts
    else:
        # Where the publisher's server has a member of its own, nothing leaves it (docs/differences.md).
        assert counts == [300, 0, 0], counts
    await close(clients)


async def members_elsewhere_share_by_how_many_they_are(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    taken = {1: [], 2: []}
    for number, members in ((1, 1), (2, 3)):

        async def take(message, number=number):
            taken[number].append(message.data)

        for _ in range(members):
            await clients[number].subscribe("work", queue="workers", cb=take)
        await clients[number].flush()
    await settled()
    for number in range(1000):
        await clients[0].publish("work", str(number).encode())
    await clients[0].flush()
    await eventually(lambda: len(taken[1]) + len(taken[2]) >= 1000)
    await asyncio.sleep(0.2)
    everything = taken[1] + taken[2]
    assert len(everything) == 1000 and len(set(everything)) == 1000, len(everything)
    assert len(taken[1]) > 100 and len(taken[2]) > len(taken[1]), (len(taken[1]), len(taken[2]))
    await close(clients)


async def groups_and_plain_subscribers_beside_each_other(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    counts = {}

    def counter(key):
        counts[key] = 0

        async def take(_):
            counts[key] += 1

        return take

    for number in (1, 2):
        await clients[number].subscribe("mixed", cb=counter((number, "plain")))
        for group in ("one", "two"):
            await clients[number].subscribe("mixed", queue=group, cb=counter((number, group)))
        await clients[number].flush()
    await settled()
    for _ in range(200):
        await clients[0].publish("mixed", b"x")
    await clients[0].flush()
    await eventually(lambda: sum(counts.values()) >= 800)
    await asyncio.sleep(0.2)
    assert counts[1, "plain"] == counts[2, "plain"] == 200, counts
    for group in ("one", "two"):
        assert counts[1, group] + counts[2, group] == 200, counts
    await close(clients)


async def a_request_is_answered_between_any_two_servers(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    for number, service in enumerate(clients):

        async def answer(message, number=number):
            await message.respond(f"{number}:".encode() + message.data)

        await service.subscribe(f"service.{number}", cb=answer)
        await service.flush()
    await settled()
    for asker in clients:
        for number in range(3):
            for at in range(30):
                response = await asker.request(f"service.{number}", str(at).encode(), timeout=2)
                assert response.data == f"{number}:{at}".encode(), response.data
    await close(clients)


async def a_reply_finds_an_inbox_that_is_younger_than_its_request(cluster: Cluster) -> None:
    # The old style of requests: a subscription for each, ended by its first message.
    clients = await clients_of(cluster)

    async def answer(message):
        await message.respond(message.data)

    await clients[2].subscribe("echo", cb=answer)
    await clients[2].flush()
    await settled()
    for at in range(300):
        response = await clients[at % 2].request("echo", str(at).encode(), timeout=2, old_style=True)
        assert response.data == str(at).encode()
    await close(clients)


async def nobody_listens_anywhere(cluster: Cluster) -> None:
    clients = await clients_of(cluster)

    async def answer(message):
        await message.respond(b"")

    subscription = await clients[1].subscribe("rare", cb=answer)
    await clients[1].flush()
    await settled()
    await clients[0].request("rare", b"", timeout=2)
    await subscription.unsubscribe()
    await clients[1].flush()
    await settled()
    for client in clients:
        started = time.monotonic()
        try:
            await client.request("rare", b"", timeout=5)
        except NoRespondersError:
            assert time.monotonic() - started < 2
            continue
        raise AssertionError("a request that nobody hears must fail at once")
    await close(clients)


async def many_messages_to_another_server_keep_their_order(cluster: Cluster) -> None:
    publisher, subscriber = (await clients_of(cluster))[::2]
    subscription = await subscriber.subscribe("ordered", pending_msgs_limit=200_000)
    await subscriber.flush()
    await settled()
    for number in range(50_000):
        await publisher.publish("ordered", str(number).encode())
    await publisher.flush()
    for number in range(50_000):
        message = await subscription.next_msg(timeout=5)
        assert message.data == str(number).encode(), (number, message.data)
    await close([publisher, subscriber])


async def headers_and_large_messages_travel(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    subscription = await clients[1].subscribe("large.*")
    await clients[1].flush()
    await settled()
    body = bytes(range(256)) * 4000
    for at in range(4):
        await clients[2].publish(f"large.{at}", body, reply="answers.here", headers={"Colour": "blue"})
        message = await subscription.next_msg(timeout=5)
        assert (message.data, message.reply, message.headers["Colour"]) == (body, "answers.here", "blue")
    await close(clients)


async def unsubscribe_after_a_number_counts_over_servers(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    received = asyncio.Queue()
    subscription = await clients[1].subscribe("limited", cb=received.put)
    await subscription.unsubscribe(limit=5)
    await clients[1].flush()
    await settled()
    for number in range(20):
        await clients[number % 3].publish("limited", b"x")
    for client in clients:
        await client.flush()
    await asyncio.sleep(0.4)
    assert received.qsize() == 5, received.qsize()
    await close(clients)


async def the_seed_is_not_needed_once_they_know_each_other(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    subscription = await clients[2].subscribe("after")
    await clients[2].flush()
    await settled()
    cluster.servers[0].stop(kill=True)
    for server in cluster.servers[1:]:
        cluster.together(server, 2)
    await clients[1].publish("after", b"still here")
    assert (await subscription.next_msg(timeout=2)).data == b"still here"
    await close(clients[1:])


async def a_killed_server_comes_back(cluster: Cluster) -> None:
    for number in (1, 0):
        server = cluster.servers[number]
        server.stop(kill=True)
        others = [other for other in cluster.servers if other is not server]
        for other in others:
            cluster.together(other, 2)
        server.start()
        for each in cluster.servers:
            cluster.together(each, 3)
        client, subscriber = await nats.connect(server.url), await nats.connect(others[1].url)
        subscription = await subscriber.subscribe("back")
        await subscriber.flush()
        await settled()
        await client.publish("back", b"again")
        assert (await subscription.next_msg(timeout=2)).data == b"again"
        try:
            await subscription.next_msg(timeout=0.3)
        except nats.errors.TimeoutError:
            pass
        else:
            raise AssertionError("delivered twice")
        await close([client, subscriber])


async def a_client_is_told_of_the_other_servers(cluster: Cluster) -> None:
    own = [url.removeprefix("nats://") for url in cluster.urls()]
    for number, server in enumerate(cluster.servers):
        info = info_of(server)
        assert sorted(info["connect_urls"]) == sorted(own), info
        assert info["connect_urls"][0] == own[number] and info["cluster"] == "east", info
    with Watcher(cluster.servers[0].url) as watcher:
        cluster.servers[1].stop(kill=True)
        assert sorted(watcher.info()["connect_urls"]) == sorted([own[0], own[2]])
        cluster.servers[2].stop(kill=True)
        assert watcher.info()["connect_urls"] == [own[0]]


async def a_client_goes_on_at_another_server(cluster: Cluster) -> None:
    reconnected = asyncio.Event()

    async def on_reconnect():
        reconnected.set()

    options = {"reconnect_time_wait": 0.1, "max_reconnect_attempts": 20, "reconnected_cb": on_reconnect}
    client = await nats.connect(cluster.servers[1].url, **options)
    other = await nats.connect(cluster.servers[2].url)
    subscription = await client.subscribe("moved")
    await client.flush()
    cluster.servers[1].stop(kill=True)
    await asyncio.wait_for(reconnected.wait(), 10)
    assert client.connected_url.netloc != cluster.servers[1].url.removeprefix("nats://")
    await client.flush()
    await settled()
    await other.publish("moved", b"found you")
    assert (await subscription.next_msg(timeout=2)).data == b"found you"
    await close([client, other])


async def who_does_not_belong_stays_outside(cluster: Cluster) -> None:
    wrong = [{"user": "route:guess"}, {"name": "west"}]
    if not is_nats_server():
        # nats-server ends both servers' routes for a while; here the second one is told.
        wrong.append({"server_name": "s0"})
    for difference in wrong:
        cluster.servers[2].stop(kill=True)
        for server in cluster.servers[:2]:
            cluster.together(server, 2)
        stranger = cluster.member(2, **difference)
        with stranger:
            time.sleep(1)
            assert len(info_of(cluster.servers[0]).get("connect_urls", [])) == 2
            inside, outside = await nats.connect(cluster.servers[0].url), await nats.connect(stranger.url)
            subscription = await inside.subscribe(">")
            await inside.flush()
            await settled()
            await outside.publish("from.outside", b"")
            try:
                await subscription.next_msg(timeout=0.3)
            except nats.errors.TimeoutError:
                pass
            else:
                raise AssertionError(f"a server got in with {difference}")
            await close([inside, outside])
        cluster.servers[2].start()
        for server in cluster.servers:
            cluster.together(server, 3)


async def strangers_at_the_route_port_do_no_harm(cluster: Cluster) -> None:
    clients = await clients_of(cluster)
    subscription = await clients[1].subscribe("calm")
    await clients[1].flush()
    await settled()
    huge = struct.pack("<IBBH", 0xFFFFFFFF, 1, 0, 0)
    for number, poke in enumerate([b"CONNECT {\"lang\":\"python\"}\r\nPING\r\n", b"\xff" * 4096, huge, b"\0" * 64, b"", b"GET / HTTP/1.1\r\n\r\n"]):
        with socket.create_connection(("127.0.0.1", cluster.ports[0]), timeout=5) as stranger:
            stranger.sendall(poke)
            heard = b""
            try:
                while poke or not is_nats_server():
                    more = stranger.recv(4096)
                    if not more:
                        break
                    heard += more
            except (ConnectionResetError, TimeoutError):
                pass
            if not is_nats_server():
                assert heard == b"-ERR 'attempted to connect to route port'\r\n", (poke[:20], heard)
        await clients[0].publish("calm", str(number).encode())
        assert (await subscription.next_msg(timeout=2)).data == str(number).encode()
    await close(clients)


class Watcher:
    """A client that hears every INFO."""

    def __init__(self, url: str):
        host, port = url.removeprefix("nats://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.lines = self.socket.makefile("rb")

    def __enter__(self) -> "Watcher":
        self.lines.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n')
        assert self.lines.readline() == b"PONG\r\n"
        assert self.info()["connect_info"]
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def info(self) -> dict:
        while True:
            line = self.lines.readline()
            if line.startswith(b"INFO "):
                return json.loads(line[5:])
            assert line == b"PING\r\n", line


async def eventually(what, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


STORIES = [
    every_subscriber_of_every_server_gets_each_message_once,
    a_queue_group_over_servers_takes_each_message_once,
    members_elsewhere_share_by_how_many_they_are,
    groups_and_plain_subscribers_beside_each_other,
    a_request_is_answered_between_any_two_servers,
    a_reply_finds_an_inbox_that_is_younger_than_its_request,
    nobody_listens_anywhere,
    many_messages_to_another_server_keep_their_order,
    headers_and_large_messages_travel,
    unsubscribe_after_a_number_counts_over_servers,
    the_seed_is_not_needed_once_they_know_each_other,
    a_killed_server_comes_back,
    a_client_is_told_of_the_other_servers,
    a_client_goes_on_at_another_server,
    who_does_not_belong_stays_outside,
    strangers_at_the_route_port_do_no_harm,
]
