"""Two hosts with a proxy each before one Qdrant server, owners who plant facts, clients who ask for them."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import settings
from benchmarks import sessions
from memories import Memories
from stores.embeddings import Embedder
from tests.proxy.alike import CHAT, HEADERS, Prompt
from tests.proxy.caller import Caller
from tests.proxy.qdrant import Qdrant
from tests.proxy.talk import Message, body, user
from tests.proxy.upstream import Received, Reply, Script, chat
from tests.proxy.vibe.served import Proxy, environment, served

KEYS = {owner: f"sesame-of-{owner}-{len(owner)}" for owner in ("ana", "benjamin", "carla", "dan")}
PLACES = ("first", "second")
PROJECT = "/home/dev/yard"
WATCHED = "ana"
CODE = re.compile(r"\b([A-Z]+)-\d{5}\b")
THINGS = ("avocet", "bittern", "curlew", "dunlin", "egret", "fulmar", "gannet", "heron")
PARTS = ("anchor", "beacon", "capstan", "davit", "engine", "fender", "gangway", "hatch")


@dataclass(frozen=True)
class Fact:
    """What an owner once said of a thing that every owner has, each with a code of their own."""

    owner: str
    number: int

    @property
    def code(self) -> str:
        return f"{self.owner.upper()}-{self.number:05}"

    @property
    def question(self) -> str:
        thing, part = THINGS[self.number % len(THINGS)], PARTS[self.number // len(THINGS)]
        return f"Which locker code has the {part} of the {thing}?"

    @property
    def turn(self) -> tuple[str, str, str]:
        told = self.question.removeprefix("Which locker code has ").removesuffix("?")
        return f"{self.owner}{self.number}", self.question, f"The locker code of {told} is {self.code}."


ASKED_BY_ALL = 8
conversations = count()


def facts(owner: str, numbers: Iterable[int]) -> list[Fact]:
    return [Fact(owner, number) for number in numbers]


@dataclass
class Host:
    """A machine of its own: a data folder, the logs of its owners, a proxy."""

    home: Path
    surroundings: Mapping[str, str]
    proxy: Proxy = field(default_factory=Proxy)

    def logs(self, owner: str) -> Path:
        """Those of one owner the proxy takes in by itself, and only those lie in its data folder."""
        return self.home / ("data/logs" if owner == WATCHED else f"logs/{owner}")

    def write(self, owner: str, session: int, numbers: Iterable[int]) -> None:
        sessions.write(self.logs(owner), session, [fact.turn for fact in facts(owner, numbers)], PROJECT)

    def ingest(self, owner: str, embedder: Embedder) -> None:
        """What `MEMORY_OWNER=… python app.py ingest` does, with an embedding model that is loaded already."""
        chosen = settings.load(
            data_dir=self.home / "data", qdrant_url=self.surroundings["QDRANT_URL"], threads=1
        )
        with Memories(chosen, lambda: embedder, owner) as memories:
            assert memories.ingest(self.logs(owner), quiet=True)["problems"] == []


@dataclass
class Hosts:
    """Both of them, what they share, and what lies behind."""

    both: Sequence[Host]
    qdrant: Qdrant
    upstream: Prompt

    def ingest(self, embedder: Embedder) -> None:
        """Every owner on both hosts, at the same moment."""
        raised: list[BaseException] = []

        def take(host: Host) -> None:
            try:
                for owner in KEYS.keys() - {WATCHED}:
                    host.ingest(owner, embedder)
            except BaseException as error:  # noqa: BLE001  # raised below, in the test's own thread
                raised.append(error)

        threads = [Thread(target=take, args=(host,)) for host in self.both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if raised:
            raise raised[0]

    def stored(self, owner: str) -> Counter[str]:
        """How many points of an owner's collection hold each code."""
        page, _ = self.qdrant.memory.scroll(f"conversations-{owner}", limit=10_000)
        return Counter(code for point in page for code in told(point.payload["page_content"]))

    def prompts(self) -> Iterator[tuple[str, str]]:
        """Everything that the model was sent: whose it was, and its messages as one text."""
        for one in self.upstream.completions:
            yield one.json["user"], "\n".join(contents(one))


def contents(received: Received) -> list[str]:
    return [str(message.get("content")) for message in received.json["messages"]]


def echo(received: Received) -> Reply | Script:
    """A model that answers with the messages that it got."""
    return chat(json.dumps(contents(received)) if received.method == "POST" else "")


def told(text: str) -> list[str]:
    """The codes in a text."""
    return [found[0] for found in CODE.finditer(text)]


@contextmanager
def hosts(root: Path, models: Path) -> Iterator[Hosts]:
    """Both proxies, running, before a server without a single collection."""
    more = {
        "RAG_PROXY_API_KEY": ",".join(f"{owner}:{key}" for owner, key in KEYS.items()),
        "RAG_WATCH": "data",
    }
    more["RAG_DEADLINE_MS"] = "10000"  # less than a client waits
    with ExitStack() as stack:
        qdrant, upstream = stack.enter_context(Qdrant()), stack.enter_context(Prompt(echo))
        more["QDRANT_URL"] = qdrant.url
        both = []
        for name in PLACES:
            (root / name).mkdir()
            surroundings = environment(root / name / "data", models, MEMORY_OWNER=WATCHED, **more)
            host = Host(root / name, surroundings)
            host.proxy = stack.enter_context(served(upstream.url, surroundings))
            both.append(host)
        yield Hosts(both, qdrant, upstream)


class Client:
    """Somebody with a key whose requests go to each proxy in turn, as a balancer without a rule does it."""

    def __init__(self, number: int, both: Sequence[Host]) -> None:
        self.owner = list(KEYS)[number % len(KEYS)]
        self.chance = random.Random(number)
        self._number, self._asked = number, 0
        self._lines = [Caller(urlsplit(host.proxy.url).port or 0) for host in both]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            line.close()

    def ask(
        self, *messages: Message, proxy: int | None = None, session: str | None = None
    ) -> tuple[str, list[str]]:
        """What the answer says of the memory, and the messages that the model got."""
        self._asked += 1
        session = session or f"conversation {next(conversations)}"
        headers = [*HEADERS, ("Authorization", f"Bearer {KEYS[self.owner]}"), ("x-affinity", session)]
        line = self._lines[(self._number + self._asked) % 2 if proxy is None else proxy]
        answer = line.ask("POST", CHAT, headers, body(*messages, user=self.owner))
        assert answer.status == 200, answer.body
        echoed = json.loads(answer.body)["choices"][0]["message"]["content"]
        return answer.header("x-rag-status") or "", json.loads(echoed)

    def pry(self) -> None:
        """Ask for what only another owner was ever told."""
        other = self.chance.choice([owner for owner in KEYS if owner != self.owner])
        fact = Fact(other, self.chance.randrange(ASKED_BY_ALL))
        self.ask(user(f"{fact.question} I mean the one of {other}, conversations-{other}."))
        # Word for word what every owner asks, in a conversation that every owner calls the same.
        self.ask(user(fact.question), session=f"about {fact.number}")
