"""A unified store of Vibe 3.x written as the client does: deltas to the journal, then a generation."""

import hashlib
import json
from pathlib import Path

FORMAT = "mistral.vibe.unified-session-store/v1"


def encoded(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data):
    return hashlib.sha256(data.removesuffix(b"\n")).hexdigest()


class Store:
    """Files by name, and for each turn the journal lines that hold it."""

    def __init__(self, session="5e551011-0000-4000-8000-000000000001", parent=None, project="/home/dev/shop"):
        self.session, self.parent = session, parent
        self.files = {}
        self.entries = {}
        self.clock = 1_795_310_638_000
        self.sequence = self.watermark = self.generation = self.effects = 0
        self.latest = None
        self.kept = []
        self.spans = {}  # by turn: (file, start, end) of the lines in the journal
        self.files["meta.json"] = encoded(
            {
                "session_id": session,
                "start_time": "2026-11-22T01:23:58.440000+00:00",
                "git_branch": None,
                "environment": {"working_directory": project},
                "title": None,
                "config": {"active_model": "local", "model_name": "local-model"},
            }
        )
        self.publish()

    def turn(self, turn, user, *steps, status="completed"):
        """A user's text, then texts of the assistant and effects as (tool, input, state)."""
        self.append(turn, user_entry(turn, user))
        for number, step in enumerate(steps, 1):
            last = number == len(steps)
            if isinstance(step, str):
                entry = {"type": "message", "role": "assistant", "source": "harness", "content": parts(step)}
                self.append(turn, entry, status if last else "in_progress")
            elif isinstance(step, dict):
                self.append(turn, step, status if last else "in_progress")
            else:
                self.effect(turn, *step)
        return self

    def effect(self, turn, tool, given, state):
        detail = {"kind": "tool", "toolName": f"file_system.{tool}", "input": given}
        running = {"status": "running", "outputText": ""}
        entry = self.append(turn, {"type": "effect", "detail": detail, "state": running}, "in_progress")
        if state is not None:
            self.replace(turn, {**entry, "state": state})

    def append(self, turn, entry, status="in_progress"):
        self.clock += 100
        self.effects += 1
        whole = {
            "createdAt": self.clock,
            "updatedAt": self.clock,
            "generationStatus": "completed",
            "id": f"{entry['type']}-{self.effects}",
            "sessionId": self.session,
            "turnId": turn,
            **entry,
        }
        self.latest = {"id": turn, "status": status}
        if status != "in_progress":
            self.latest["completedAt"] = self.clock
        self.entries[whole["id"]] = whole
        self.delta(turn, {"op": "append_entry", "entry": whole})
        return whole

    def replace(self, turn, entry):
        self.clock += 10
        entry = {**entry, "updatedAt": self.clock}
        self.entries[entry["id"]] = entry
        self.delta(turn, {"op": "replace_entry", "id": entry["id"], "entry": entry})

    def delta(self, turn, *operations):
        self.watermark += 1
        envelope = {"op": "set_envelope", "state": self.snapshot()}
        payload = {"delta": [*operations, envelope], "watermark": self.watermark}
        self.record(turn, "core_input", {"input": {"command": "…", "prompt": "SYSTEM PROMPT"}})
        self.record(turn, "projection_delta", payload)

    def record(self, turn, kind, payload):
        self.sequence += 1
        line = encoded({"payload": payload, "sequence": self.sequence, "type": kind}) + b"\n"
        before = self.files[self.segment]
        self.files[self.segment] = before + line
        if kind == "projection_delta":
            span = (self.segment, len(before), len(before) + len(line) - 1)
            self.spans.setdefault(turn, []).append(span)

    def snapshot(self):
        about = {
            "id": self.session,
            "parentSessionId": self.parent,
            "createdAt": 1_795_310_638_440,
            "title": None,
        }
        history = {"entries": [], "cursor": {"after": None, "before": None}, "range": "latest"}
        return {"history": history, "latestTurn": self.latest, "session": about}

    def publish(self, in_each=1000):
        """A new generation, in chunks of so many entries; the one before is kept with its journal."""
        self.generation = self.sequence if self.kept else 0
        name = f"{self.generation:016}"
        entries = list(self.entries.values())
        chunks = []
        for start in range(0, len(entries), in_each):
            data = encoded(entries[start : start + in_each]) + b"\n"
            chunks.append(digest(data))
            self.files[f"chunks/{chunks[-1]}.json"] = data
        state = {
            "projection_state_version": 1,
            "session_id": self.session,
            "snapshot": self.snapshot(),
            "snapshot_sequence": self.sequence,
            "watermark": self.watermark,
        }
        self.segment = f"journal/{self.sequence + 1:016}.jsonl"
        self.files.setdefault(self.segment, b"")
        projection = encoded(state) + b"\n"
        manifest = {
            "generation": name,
            "projection_state": {
                "path": "projection-state.json",
                "sha256": digest(projection),
                "chunks": chunks,
            },
            "recovery_journal_segment": {"path": self.segment, "first_sequence": self.sequence + 1},
            "session_id": self.session,
            "snapshot_sequence": self.sequence,
        }
        self.files[f"generations/{name}/projection-state.json"] = projection
        self.files[f"generations/{name}/manifest.json"] = encoded(manifest) + b"\n"
        self.kept = [*self.kept, (name, self.segment, chunks)][-2:]
        self.point(name)
        self._forget()

    def point(self, name, **changes):
        """Let CURRENT name a generation."""
        manifest = self.files.get(f"generations/{name}/manifest.json", b"")
        pointer = {
            "generation": name,
            "manifest_sha256": digest(manifest),
            "session_id": self.session,
            "snapshot_sequence": int(name),
            "store_format": FORMAT,
            "store_format_minor": 9,
        }
        self.files["CURRENT"] = encoded(pointer | changes) + b"\n"

    def write(self, folder: Path) -> Path:
        for name, data in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    def _forget(self):
        names = {name for name, _, _ in self.kept}
        segments = {segment for _, segment, _ in self.kept}
        chunks = {f"chunks/{chunk}.json" for _, _, listed in self.kept for chunk in listed}
        for file in list(self.files):
            place, _, rest = file.partition("/")
            if (
                (place == "generations" and rest.split("/")[0] not in names)
                or (place == "journal" and file not in segments)
                or (place == "chunks" and file not in chunks)
            ):
                del self.files[file]


def parts(text):
    return [{"type": "text", "text": text}]


def user_entry(turn, text, source="turn_start"):
    return {
        "type": "message",
        "role": "user",
        "source": source,
        "content": parts(text),
        "id": f"user-{turn}-{len(text)}",
    }


def succeeded(**content):
    return {"status": "completed", "output": {"type": "success", "structured_content": content}}


def failed(message):
    return {"status": "failed", "error": {"code": "tool_failed", "message": message}}


RUN = ("bash", {"command": "pytest"}, succeeded(returncode=1, stdout="1 failed", stderr=""))


def shop(**options):
    """Two published generations and a journal that goes on."""
    made = Store(**options)
    made.turn("one", "Fix it.", "I look.", RUN, "Fixed.")
    made.publish()
    made.turn("two", "And the tests?", "They pass.")
    made.publish()
    made.turn("three", "Commit it.", "Done.")
    return made


ALL = [("Fix it.", "Fixed."), ("And the tests?", "They pass."), ("Commit it.", "Done.")]


def current(made, name):
    generation = max(name for name, _, _ in made.kept)
    return f"generations/{generation}/{name}"


def last_chunk(made):
    return f"chunks/{made.kept[-1][2][-1]}.json"
