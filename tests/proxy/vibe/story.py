"""Sessions of the real Vibe through the proxy, one after another, and what reached the model in each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from tests.proxy.upstream import Received, Reply, Step, Upstream, chat, said
from tests.proxy.vibe.client import Client
from tests.proxy.vibe.screen import talk
from tests.proxy.vibe.served import Environment, ran, served

FACT = "The staging database of this project is called heron-7 and listens on port 6543."
QUESTION = "On which port does the staging database of this project listen?"
FURTHER = "And what is the staging database called?"
TITLE = f"user: {QUESTION}\n\nassistant: On port 6543."
LOOK = [("bash", {"command": "cat notes.txt"})]
LIST = [("bash", {"command": "ls"})]


@dataclass
class Story:
    """What reached the model in each session, and what the person got to read."""

    home: Path
    told: list[Received] = field(default_factory=list)
    asked: list[Received] = field(default_factory=list)
    resumed: list[Received] = field(default_factory=list)
    elsewhere: list[Received] = field(default_factory=list)
    broken: list[Received] = field(default_factory=list)
    typed: list[Received] = field(default_factory=list)
    title: list[Received] = field(default_factory=list)
    ingested: dict[str, int] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)


@dataclass
class Teller:
    """Runs the sessions of a story, each in a Vibe process of its own."""

    story: Story
    upstream: Upstream
    client: Callable[[str], Client]

    def session(
        self, url: str, prompt: str, folder: Path, *steps: Step, resume: bool = False
    ) -> list[Received]:
        before = len(self.upstream.chats)
        self.upstream.script = said(*steps)
        done = self.client(f"{url}/v1").ask(prompt, folder, resume=resume)
        assert done.returncode == 0, done.stderr
        self.story.printed.append(done.stdout.strip())
        return self.upstream.chats[before:]

    def typed(
        self, url: str, prompt: str, folder: Path, answer: str
    ) -> tuple[list[Received], list[Received]]:
        """The turn and the title of a session on a terminal; for Vibe 2, which asks for none, we ask."""
        before = len(self.upstream.completions)
        self.upstream.script = said(answer, title="Staging port")
        client = self.client(f"{url}/v1")
        expected = 2 if client.version.startswith("3.") else 1
        assert talk(client, prompt, folder, lambda: len(self.upstream.completions) == before + expected)
        turn = self.upstream.completions[before]
        if expected == 1:
            messages = [{"role": "system", "content": "Title?"}, {"role": "user", "content": TITLE}]
            httpx.post(
                f"{url}/v1/chat/completions",
                json={"model": "devstral", "messages": messages, "max_tokens": 1024},
                headers={"x-affinity": turn.header("x-affinity") or "", "User-Agent": "Mistral-Vibe/2.18.4"},
                trust_env=False,
            )
        return [turn], self.upstream.completions[before + 1 :]


def tell(teller: Teller, surroundings: Environment, a: Path, b: Path) -> None:
    """Run every session; between the second and the third the proxy is started anew."""
    story, upstream = teller.story, teller.upstream
    with served(upstream.url, surroundings) as proxy:
        story.told = teller.session(proxy.url, FACT, a, f"Noted: {FACT}")
        story.ingested = json.loads(
            ran(surroundings, "ingest", str(story.home / "logs" / "session"), "--json")
        )
        story.asked = teller.session(proxy.url, QUESTION, a, LOOK, LIST, "On port 6543.")
    with served(upstream.url, surroundings) as proxy:
        story.resumed = teller.session(proxy.url, FURTHER, a, LIST, "heron-7.", resume=True)
        story.elsewhere = teller.session(proxy.url, QUESTION, b, LOOK, "I do not know.")
        story.broken = teller.session(proxy.url, QUESTION, a, cut, "On port 6543.")
        story.typed, story.title = teller.typed(proxy.url, QUESTION, a, "On port 6543.")


def cut(received: Received) -> Reply:
    """An answer whose connection drops in the middle."""
    reply = chat("On port 65")(received)
    assert isinstance(reply, Reply)
    if reply.framing == "chunked":
        return replace(reply, body=list(reply.pieces())[:3], cut=True)
    assert isinstance(reply.body, bytes)
    promised = ("Content-Length", str(len(reply.body)))
    return replace(reply, headers=[*reply.headers, promised], body=reply.body[:50], cut=True)
