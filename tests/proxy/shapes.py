"""Chat requests and event streams of every shape, as hypothesis draws them: bytes, and none of them neat."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

from hypothesis import strategies as st

# Written as they are, for no JSON library writes them.
ODD_NUMBERS = ["1e400", "-0", "0.10", "1E+2", "123456789012345678901234567890", "1.0000000000000000001"]
NO_NUMBERS = ["NaN", "Infinity", "-Infinity"]
ODD_STRINGS = [
    r'"\ud800"', r'"\uDE00 \ud83d"', r'"\ud83d\ude00"', r'"\/\u0041\b"', '"\u2028\u2029"', r'"\u2028"',
    '"\x7f"', r'"a\\"', r'"\""', r'"\u0000"', '"ñ\U0001f600"', '"<memory>"', '"user: a\\n\\nassistant: b"',
    '"### Task: x"',
]  # fmt: skip
MODEL_FIELDS = [
    ('"model"', '"m"'), ('"stream"', "true"), ('"stream"', "false"), ('"n"', "1"), ('"seed"', "7"),
    ('"temperature"', "1e400"), ('"tool_choice"', '"auto"'), ('"tool_choice"', '{"type":"function"}'),
    ('"response_format"', '{ "type" : "json_object" }'), ('"stream_options"', '{"include_usage": true}'),
    ('"logprobs"', "true"), ('"max_tokens"', "64"), ('"max_completion_tokens"', "1E2"),
    ('"user"', '"é\\u00e9"'),
    ('"parallel_tool_calls"', "null"), ('"tools"', "[]"), ('"\\u006dodel"', '"again"'),
    ('"chat_template"', "null"),
]  # fmt: skip
TOOLS = '[ {"type":"function", "function":{"name":"read","parameters":{"type":"object", "x": 1.0}}} ]'
IMAGE = '{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}}'
CALLS = (
    '[{"index":0,"id":"c1","type":"function","function":{"name":"read","arguments":"{\\"path\\": \\"a\\"}"}}]'
)

blanks = st.sampled_from(["", "", "", " ", "\n", "\r\n\t", "   "])
plain = st.text(max_size=12)
strings = plain.map(json.dumps) | plain.map(lambda text: json.dumps(text, ensure_ascii=False))
strings |= st.sampled_from(ODD_STRINGS)
numbers = st.integers().map(str) | st.sampled_from(ODD_NUMBERS)
scalars = strings | numbers | st.sampled_from(["true", "false", "null", *NO_NUMBERS])


def listed(elements: list[str], blank: str) -> str:
    return f"[{blank}{f'{blank},{blank}'.join(elements)}{blank}]"


def named(members: list[tuple[str, str]], blank: str) -> str:
    inner = f"{blank},{blank}".join(f"{name}{blank}:{blank}{value}" for name, value in members)
    return f"{{{blank}{inner}{blank}}}"


values = st.recursive(
    scalars,
    lambda inner: (
        st.builds(listed, st.lists(inner, max_size=3), blanks)
        | st.builds(named, st.lists(st.tuples(strings, inner), max_size=3), blanks)
    ),
    max_leaves=4,
)
unknown = st.lists(st.tuples(strings, values), max_size=2)

text_parts = st.builds(
    lambda text, blank: named([('"type"', '"text"'), ('"text"', text)], blank), strings, blanks
)
parts = st.builds(listed, st.lists(text_parts | st.just(IMAGE) | values, max_size=3), blanks)
contents = strings | strings | parts | values


@st.composite
def messages(draw, roles=("user", "user", "assistant", "tool", "developer", "system", "critic")):
    """One message as JSON text: any role, any content or none, fields that nobody knows."""
    role = draw(st.sampled_from(roles))
    members = [('"role"', f'"{role}"')]
    if draw(st.integers(0, 9)):
        members.append(('"content"', draw(contents)))
    if role == "assistant" and draw(st.booleans()):
        members.append(('"tool_calls"', CALLS))
    if role == "tool":
        members.append(('"tool_call_id"', '"c1"'))
    members += draw(unknown)
    return named(draw(st.permutations(members)), draw(blanks))


@dataclass(frozen=True)
class Chat:
    """A chat request in two halves around its messages, so that an earlier request of it can be made."""

    before: str
    messages: list[str]
    after: str
    blank: str

    def body(self, count: int | None = None) -> bytes:
        """The request with its first messages, or with all."""
        return (self.before + listed(self.messages[:count], self.blank) + self.after).encode()


@st.composite
def chats(draw, most=6):
    blank = draw(blanks)
    fields = draw(st.lists(st.sampled_from(MODEL_FIELDS), max_size=5)) + draw(unknown)
    if draw(st.booleans()):
        fields.append(('"tools"', TOOLS))
    if not draw(st.integers(0, 19)):
        fields.insert(0, ('"messages"', draw(values)))  # of a repeated key the last one counts
    place = (
        draw(st.integers(0, len(fields)))
        if fields[:1] != [] and fields[0][0] != '"messages"'
        else len(fields)
    )
    name = draw(st.sampled_from(['"messages"'] * 9 + ['"\\u006dessages"']))
    marked = named([*fields[:place], (name, "\0"), *fields[place:]], blank)
    before, after = marked.split("\0")
    return Chat(before, draw(st.lists(messages(), max_size=most)), after, blank)


SIZES = [0, 0, 0, 0, 0, 0, 0, 0, 1_000, 8_000, 65_535, 65_537, 300_000]


def padded(body: bytes, size: int) -> bytes:
    """The same object with a large field that nobody knows at its beginning."""
    missing = size - len(body)
    return body.replace(b"{", b'{"padding":"' + b"x" * missing + b'",', 1) if missing > 0 else body


@st.composite
def damaged(draw, body):
    """What is no chat request any more, or one that only some would take for one."""
    at = draw(st.integers(0, len(body)))
    ways = {
        "bom": b"\xef\xbb\xbf" + body,
        "cut": body[:at],
        "not utf-8": body[:at] + b"\xff\xed\xa0\x80" + body[at:],
        "utf-16": body.decode("utf-8", "replace").encode("utf-16"),
        "more": body + b" {}",
        "control": body[:at] + b"\x01" + body[at:],
        "blank": b" \n" + body + b"\r\n",
        "binary": draw(st.binary(max_size=200)),
        "other": draw(values).encode(),
        "empty": b"",
    }
    return ways[draw(st.sampled_from(sorted(ways)))]


@dataclass(frozen=True)
class Sent:
    body: bytes
    encoding: str | None = None


@st.composite
def sent(draw):
    """A request's body: mostly a chat request, of any size, sometimes compressed, sometimes none at all."""
    body = padded(draw(chats()).body(), draw(st.sampled_from(SIZES)))
    if not draw(st.integers(0, 3)):
        body = draw(damaged(body))
    if not draw(st.integers(0, 9)):
        return Sent(gzip.compress(body, 1), "gzip")
    return Sent(body)


ENDS = ["\n", "\n", "\n", "\r\n", "\r"]
deltas = st.builds(
    lambda text: json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=False),
    plain,
)
USAGE = [
    '{"choices":[],"usage":{"prompt_tokens":1}}',
    '{"choices":null,"usage":{"total_tokens":1e2}}',
    '{"choices":[{"delta":{},"finish_reason":"stop"}]}',
    '{"error":{"message":"x"}}',
]
lines = (
    deltas.map(lambda text: f"data: {text}")
    | st.sampled_from(USAGE).map(lambda text: f"data: {text}")
    | plain.map(lambda text: f"data:{text}")
    | plain.map(lambda text: f": {text}")
    | st.sampled_from(
        [":", "id: 7", "retry: 100", "event: delta", "data", "data: a\ndata: b", "data: [DONE]", "x"]
    )
)


@st.composite
def streams(draw):
    """An event stream, well-formed or nearly."""
    end = draw(st.sampled_from(ENDS))
    events = draw(st.lists(st.lists(lines, max_size=3), max_size=6))
    text = "".join("".join(line.replace("\n", end) + end for line in event) + end for event in events)
    text += draw(st.sampled_from(["", f"data: [DONE]{end}{end}", "data: [DONE]", "data: {"]))
    return (b"\xef\xbb\xbf" if not draw(st.integers(0, 9)) else b"") + text.encode("utf-8", "surrogatepass")


@st.composite
def split(draw, data):
    """The same bytes in pieces, cut anywhere, also inside a character."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=5)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


VISIBLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t") | st.just("é")
header_values = st.text(VISIBLE, max_size=15).map(str.strip)
SIGNS = "abcXYZ019!#$%&'*+-.^_`|~"
header_names = st.text(SIGNS, min_size=1, max_size=8).map(lambda text: f"x-{text}")


def headers(*known: str):
    """Header fields: known names in any case, unknown ones, some of them repeated."""
    cased = st.sampled_from(known).flatmap(lambda name: st.sampled_from([name, name.lower(), name.upper()]))
    return st.lists(st.tuples(cased | header_names, header_values), max_size=5)
