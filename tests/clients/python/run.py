"""Stories through nats-py, against the program that FOREBAY_BIN names (nats-server works as well).

    FOREBAY_BIN=target/debug/forebay target/venv/bin/python tests/clients/python/run.py [NAME…]

Each story has its own time limit; the last line is `stories: N passed, N failed, N skipped`.
"""

import asyncio
import logging
import os
import sys
import time
import traceback

import cluster_stories
import core_stories
import jetstream_stories
import plugin_stories
from cluster import Cluster
from server import Server

STORY_SECONDS = 60
GROUPS = {
    "core": (core_stories.STORIES, Server),
    "jetstream": (jetstream_stories.STORIES, lambda: Server(jetstream=True)),
    "cluster": (cluster_stories.STORIES, Cluster),
}
if os.path.basename(os.environ.get("FOREBAY_BIN", "")) != "nats-server":
    GROUPS["plugins"] = (plugin_stories.STORIES, lambda: Server(quickstart=True))


def main(names: list[str]) -> int:
    if not os.environ.get("FOREBAY_BIN"):
        print("FOREBAY_BIN names no program", file=sys.stderr)
        return 2
    # nats-py logs every refused sign-in and every cut connection, which these stories bring about on purpose.
    logging.disable(logging.CRITICAL)
    passed = failed = 0
    for group, (stories, world) in GROUPS.items():
        chosen = [story for story in stories if wanted(f"{group}/{story.__name__}", names)]
        if not chosen:
            continue
        for story in chosen:
            if tell(f"{group}/{story.__name__}", story, world):
                passed += 1
            else:
                failed += 1
    print(f"stories: {passed} passed, {failed} failed, 0 skipped")
    return 0 if failed == 0 and passed else 1


def wanted(name: str, names: list[str]) -> bool:
    return not names or any(part in name for part in names)


def tell(name: str, story, world) -> bool:
    started = time.monotonic()
    try:
        with world() as server:
            asyncio.run(asyncio.wait_for(story(server), STORY_SECONDS))
    except Exception:
        print(f"{name} … FAILED")
        traceback.print_exc()
        return False
    print(f"{name} … ok ({(time.monotonic() - started) * 1000:.0f} ms)")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
