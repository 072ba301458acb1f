"""Conversations that every family's server takes, drawn by hypothesis."""

import json

from hypothesis import strategies as st

from training.row import Row

QUOTED = ("[INST]", "</s>", "[TOOL_CALLS]", "<|im_end|>", "<|im_start|>", "<|return|>", "<|start|>", "[ARGS]")
PIECES = (
    "word ",
    "\n",
    "  ",
    "\t",
    "ñandú",
    "日本語",
    "👩🏽‍💻",
    "é",
    "\u202e",
    '"',
    "\\",
    "{}",
    "0.5",
    "<",
    "\ufdd0",
)
# SmolLM2's vocabulary has no token for some bytes, and loses them.
letters = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=("Cc", "Cs", "Co")), max_size=6)
anything = st.lists(st.one_of(st.sampled_from(PIECES + QUOTED), letters), max_size=8).map("".join)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Does {name} [INST].",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            },
        },
    }
    for name in ("read_file", "bash")
]
values = st.one_of(
    st.none(), st.booleans(), st.integers(-99, 10**6), anything, st.lists(anything, max_size=2)
)
objects = st.dictionaries(st.sampled_from(["path", "ñ", "a b", "[INST]"]), values, max_size=3)


def words(least=0):
    """Text that says something: a blank answer is none."""
    return anything.filter(lambda text: len(text.strip()) >= least)


@st.composite
def calls(draw):
    """A message with one to three calls, and their results in any order."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        arguments = draw(objects)
        given = json.dumps(arguments, ensure_ascii=draw(st.booleans())) if draw(st.booleans()) else arguments
        name = draw(st.sampled_from(["read_file", "bash"]))
        number = draw(st.text("abcXYZ0123456789", min_size=9, max_size=9))
        made.append({"id": number, "type": "function", "function": {"name": name, "arguments": given}})
    if len({call["id"] for call in made}) < len(made):
        made = made[:1]
    said = {"role": "assistant", "content": draw(st.one_of(st.just(""), words())), "tool_calls": made}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(anything)} for call in made]
    return [said, *draw(st.permutations(results))]


@st.composite
def turn(draw, most_calls=3):
    """A question, what was done, and the answer."""
    done = [message for step in draw(st.lists(calls(), max_size=most_calls)) for message in step]
    answer = {"role": "assistant", "content": draw(words(1))}
    return [{"role": "user", "content": draw(anything)}, *done, answer]


@st.composite
def rows(draw, most_turns=3):
    """A row; one in four ends in a call that nobody answered."""
    messages = [{"role": "system", "content": draw(anything)}] if draw(st.booleans()) else []
    messages += [
        message for one in draw(st.lists(turn(), min_size=1, max_size=most_turns)) for message in one
    ]
    if draw(st.integers(0, 3)) == 0:
        messages[-1:] = draw(calls())[:1]
    return Row(messages, TOOLS if draw(st.booleans()) else ())


def unquoting(row):
    """The same row, in which nobody quotes a control token."""
    told = json.dumps([list(row.messages), list(row.tools)])
    for control in QUOTED:
        told = told.replace(control, "quoted")
    return Row(*json.loads(told))
