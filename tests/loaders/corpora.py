"""Logs written by hand for each format, with the places of each turn's records, to judge damage by."""

import json
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from tests.loaders.spoken import PROJECT, WRAPPER, assistant, folder_2x, tool, user
from tests.loaders.store import Store, failed, succeeded

UNFINISHED = "Delete the branch."


@dataclass
class Corpus:
    """Files by name; for each turn, alternatives of places (file, start, end) that are enough to know it."""

    files: dict = field(default_factory=dict)
    turns: dict = field(default_factory=dict)  # by the user's text
    said: dict = field(default_factory=dict)  # by the user's text: every text in that turn
    unfinished: dict = field(default_factory=dict)  # the places of turns without an answer
    separators: dict = field(default_factory=dict)  # by file: where each record begins and ends

    def lines(self, file, records):
        """Add a file of JSON lines; a record is (the turn's user text or None, message)."""
        data, places = b"", []
        needs = {}
        for turn, record in records:
            line = json.dumps(record, ensure_ascii=False).encode()
            places.append((len(data), len(data) + len(line)))
            if turn:
                needs.setdefault(turn, []).append((file, *places[-1]))
                self._hear(turn, record)
            data += line + b"\n"
        self.files[file] = data
        self.separators[file] = places
        return needs

    def pretty(self, file, metadata, records):
        """Add a 1.x file."""
        shown = {"metadata": metadata, "messages": [record for _, record in records]}
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        at, needs, places = text.index('"messages": ['), {}, []
        for turn, record in records:
            element = json.dumps(record, indent=2, ensure_ascii=False).replace("\n", "\n    ")
            start = text.index(element, at)
            at = start + len(element)
            place = (len(text[:start].encode()), len(text[:at].encode()))
            places.append(place)
            if turn:
                needs.setdefault(turn, []).append((file, *place))
                self._hear(turn, record)
        self.files[file] = text.encode()
        self.separators[file] = places
        return needs

    def need(self, alternatives):
        for turn, places in alternatives.items():
            if turn == UNFINISHED:
                self.unfinished[turn] = [places]
                continue
            self.turns.setdefault(turn, []).append(places)

    def _hear(self, turn, record):
        texts = self.said.setdefault(turn, set())
        texts |= {record.get("content") or "", record.get("user_display_content") or ""}


def key_of(name):
    """A message id that no flipped byte turns into another one."""
    return str(uuid5(NAMESPACE_URL, name))


def conversation(keys=True):
    """Messages with all that a turn may hold: calls in parallel, reminders, quotes of logs, repeats."""
    key = key_of if keys else (lambda name: None)
    quote = 'What is {"role": "user", "content": "hi"} at the end of {"role": "assistant", "content": "x"}'
    first, second, third = "Why does “make” fail?", "Run both tests, then fix cart.py.", "¿Y en español?"
    fifth, last = "Anything else?", UNFINISHED
    return [
        (first, user(first, key("u1"))),
        (first, assistant("Recipe lines start with a TAB.\nYours has spaces.", key=key("a1"))),
        (second, user(second, key("u2"))),
        (
            second,
            assistant(
                "Let me look.",
                ("call_1", "read", {"file_path": "cart.py"}),
                ("call_2", "bash", {"command": "pytest"}),
                key=key("a2"),
            ),
        ),
        (second, tool("read", "call_1", "content: {\"role\": \"user\"}\nwas_truncated: False")),
        (second, tool("bash", "call_2", "<tool_error>Return code: 1\nStderr: boom</tool_error>")),
        (second, user("<reminder>Keep it short.</reminder>", key("i2"), injected=True)),
        (second, assistant(None, ("call_3", "edit", {"file_path": "cart.py"}), key=key("a3"))),
        (second, tool("edit", "call_3", "file: cart.py\nmessage: updated")),
        (second, assistant("Fixed: the sum was overwritten.", key=key("a4"))),
        (third, user(third, key("u3"))),
        (third, assistant("Sí: «las líneas empiezan con un tabulador» ✅.", key=key("a5"))),
        (quote, user(quote, key("u4"))),
        (quote, assistant("Two records on one line, as in\n{\"role\": \"tool\"}", key=key("a6"))),
        (fifth, user(fifth, key("u5"), user_display_content=fifth)),
        (fifth, assistant("No.", key=key("a7"))),
        (last, user(last, key("u6"))),
        (last, assistant("I will delete it.", ("call_4", "bash", {"command": "git branch"}), key=key("a8"))),
    ]  # fmt: skip


def two():
    corpus = Corpus()
    needs = corpus.lines("session_1/messages.jsonl", conversation())
    corpus.files["session_1/meta.json"] = json.dumps(
        folder_2x("11111111-0000-4000-8000-000000000000")
    ).encode()
    corpus.need(needs)
    return corpus


def compacted():
    """A turn that begins in one folder and ends in the next; a third one repeats that without the link."""
    corpus = Corpus()
    names = {n: f"{n * 8}-0000-4000-8000-000000000000" for n in ("a", "b", "c")}
    before, half, after, last = "Set it up.", "Print v2.", "What did it print?", "And now?"
    parent = [
        (before, user(before, key_of("u1"))),
        (before, assistant("Done, with one file.", key=key_of("a1"))),
        (half, user(half, key_of("u2"))),
        (half, assistant("I look.", ("c1", "read", {"file_path": "app.py"}), key=key_of("a2"))),
        (half, tool("read", "c1", "file_path: app.py\ncontent: print('v1')")),
    ]
    child = [
        (half, user(WRAPPER, key_of("w1"), injected=True)),
        (half, assistant(None, ("c2", "edit", {"file_path": "app.py"}), key=key_of("a3"))),
        (half, tool("edit", "c2", "file: app.py\nmessage: updated")),
        (half, assistant("It prints v2 now.", key=key_of("a4"))),
        (after, user(after, key_of("u3"))),
        (after, assistant("It was v1.", key=key_of("a5"))),
    ]
    copy = [(None, record) for _, record in child[:4]] + child[4:]
    more = [(last, user(last, key_of("u4"))), (last, assistant("v2.", key=key_of("a6")))]
    metas = {}
    for name, records in {"a": parent, "b": child, "c": copy + more}.items():
        needs = corpus.lines(f"session_{name}/messages.jsonl", records)
        link = names["a"] if name == "b" else None
        meta = json.dumps(folder_2x(names[name], parent_session_id=link)).encode()
        corpus.files[f"session_{name}/meta.json"] = meta
        metas[name] = (f"session_{name}/meta.json", 0, len(meta))
        if name == "a":
            halves = needs.pop(half)
        if name == "b":
            corpus.need({half: [*halves, *needs.pop(half), metas["a"], metas["b"]]})
        corpus.need(needs)
    return corpus


def one():
    corpus = Corpus()
    metadata = {
        "session_id": "22222222-0000-4000-8000-000000000000",
        "start_time": "2026-11-22T01:26:05.330491",
        "git_branch": "main",
        "environment": {"working_directory": PROJECT},
        "tools_available": [
            {"type": "function", "function": {"name": "grep", "parameters": {"messages": []}}}
        ],
        "agent_config": {"active_model": "local", "models": [{"name": "devstral", "alias": "local"}]},
    }
    records = [(None, {"role": "system", "content": "SYSTEM PROMPT"}), *conversation(keys=False)]
    needs = corpus.pretty("session_20261122_012605_22222222.json", metadata, records)
    corpus.need(needs)
    return corpus


def chat():
    """A message a line."""
    corpus = Corpus()
    records = [(turn, message | {"cwd": PROJECT}) for turn, message in conversation(keys=False)]
    needs = corpus.lines("chat.jsonl", records)
    corpus.need(needs)
    return corpus


def chats():
    """A conversation a line."""
    corpus = Corpus()
    records = []
    for number in range(4):
        text = f"Question {number}?"
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": f"Answer {number}."}]
        records.append((text, {"id": f"c{number}", "cwd": PROJECT, "messages": messages}))
        corpus.said[text] = {text, f"Answer {number}."}
    corpus.need(corpus.lines("chats.jsonl", records))
    for number in range(4):
        corpus.said[f"Question {number}?"] |= {f"Answer {number}."}
    return corpus


def unified():
    """Two generations and a journal that holds a whole turn and the beginning of another one."""
    store = Store()
    store.turn(
        "turn-alpha",
        "Fix the cart.",
        "I look.",
        ("read_file", {"path": "cart.py"}, succeeded(path="cart.py")),
        "Fixed.",
    )
    store.turn("turn-bravo", "¿Por qué?", "Porque «amount» se sobrescribía.")
    store.publish(in_each=3)
    store.turn(
        "turn-charlie",
        "Run it.",
        ("bash", {"command": "pytest"}, succeeded(returncode=1, stderr="boom")),
        "It fails.",
    )
    store.publish(in_each=4)
    store.turn(
        "turn-delta",
        "Find it.",
        "Let me see.",
        ("grep", {"pattern": "x"}, failed("no such file")),
        "In cart.py.",
    )
    store.turn("turn-echo", "Clean up.", "This can take a while.", ("bash", {"command": "sh slow.sh"}, None))
    corpus = Corpus(store.files)
    live = store.segment
    for turn, text in {
        "turn-alpha": "Fix the cart.",
        "turn-bravo": "¿Por qué?",
        "turn-charlie": "Run it.",
        "turn-delta": "Find it.",
    }.items():
        corpus.turns[text] = [[span for span in store.spans[turn] if span[0] == live]]
    corpus.said["Find it."] = {"Find it.", "Let me see.", "In cart.py."}
    start, places = 0, []
    for line in store.files[live].splitlines():
        places.append((start, start + len(line)))
        start += len(line) + 1
    corpus.separators[live] = places
    return corpus


CORPORA = {build.__name__: build() for build in (one, two, compacted, chat, chats, unified)}
