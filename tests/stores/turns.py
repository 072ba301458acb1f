"""Turns and points made up for tests; small vectors where the text does not matter."""

import hashlib

from langchain_core.documents import Document


def turn(number, text=None, session="s1", project="/home/dev/shop", **told):
    """A turn as the readers tell it."""
    text = text or f"User: How do I fold map number {number}?\nAssistant: Along line {number}, twice."
    identity = told.pop("identity", f"t{number}")
    metadata = {
        "identity": identity,
        "alike": hashlib.sha256(f"{session} {text}".encode()).hexdigest(),
        "session_id": session,
        "turn": str(number),
        "place": number,
        "agent": "vibe",
        "project": project,
        "branch": None,
        "time": f"2026-11-{1 + number % 28:02}T10:00:00Z",
        "started": f"2026-11-{1 + number % 28:02}T10:00:00Z",
        "title": None,
        "model": "local",
        "format": "3.x",
        "redacted": 0,
        "question": text.split("\n", maxsplit=1)[0],
    }
    return Document(text, metadata=metadata | told)


def point(number, windows, words=(), **metadata):
    """A point with hand-made vectors."""
    told = {"project": "/home/dev/shop", "sessions": ["s1"], "language": "english"} | metadata
    return {
        "id": f"00000000-0000-5000-8000-{number:012}",
        "windows": windows,
        "words": {"indices": list(words), "values": [1.0] * len(words)},
        "payload": {"page_content": f"text {number}", "metadata": told},
    }


def name(number):
    """The id of `point(number)`."""
    return f"00000000-0000-5000-8000-{number:012}"
