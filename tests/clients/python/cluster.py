"""Three servers of one cluster, on free ports; nats-server works as well."""

import asyncio
import json
import os
import socket
import time

from server import Server

TOGETHER_SECONDS = 20


def is_nats_server() -> bool:
    return os.path.basename(os.environ["FOREBAY_BIN"]) == "nats-server"


class Cluster:
    """Three servers. Only the first one is a seed: the others hear of each other from it."""

    def __init__(self, name: str = "east", user: str = "route:secret"):
        self.name, self.user = name, user
        self.ports = free_ports(3)
        self.servers = [self.member(number) for number in range(3)]

    def member(self, number: int, **other: str) -> Server:
        name, user = other.get("name", self.name), other.get("user", self.user)
        flags = ["-n", other.get("server_name", f"s{number}"), "--cluster_name", name]
        flags += ["--cluster", f"nats://{user}@127.0.0.1:{self.ports[number]}"]
        if number:
            flags += ["--routes", f"nats://{user}@127.0.0.1:{self.ports[0]}"]
        return Server(*flags)

    def __enter__(self) -> "Cluster":
        for server in self.servers:
            server.start()
        for server in self.servers:
            self.together(server, 3)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.__exit__()

    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def together(self, server: Server, count: int) -> dict:
        """Returns when a server tells its clients of so many servers."""
        deadline = time.monotonic() + TOGETHER_SECONDS
        while time.monotonic() < deadline:
            info = info_of(server)
            if len(info.get("connect_urls", [])) == count:
                return info
            time.sleep(0.05)
        raise AssertionError(f"{info} does not name {count} servers")


def info_of(server: Server) -> dict:
    host, port = server.url.removeprefix("nats://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        line = client.makefile("rb").readline()
    return json.loads(line.removeprefix(b"INFO "))


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


async def settled() -> None:
    """Interest reaches the other servers within milliseconds; this is many of them."""
    await asyncio.sleep(0.25)
