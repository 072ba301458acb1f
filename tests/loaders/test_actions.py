import json

import pytest

from loaders.vibe.actions import called, ended, exited, line
from tests.loaders.told import kept


def one(tool, arguments, output=None, project=None):
    action = called(tool, arguments)
    if output is not None:
        ended(action, output)
    return line([action], kept, project)[0]


@pytest.mark.parametrize(
    ("tool", "arguments", "shown"),
    [
        ("file_system.read_file", {"path": "a.py", "limit": 5}, "read a.py"),
        ("search_replace", {"file_path": "a.py", "content": "…"}, "edit a.py"),
        ("write_file", {"path": "b.py", "content": "…"}, "write b.py"),
        ("edit", {"file_path": "a.py", "old_string": "x"}, "edit a.py"),
        ("bash", {"command": "ls\n  -la"}, 'bash "ls -la"'),
        ("grep", {"pattern": "x y", "path": "."}, 'grep "x y"'),
        ("grep", {"pattern": "x y"}, 'grep "x y"'),
        ("agents.spawn", {"agent": "generic", "task": "List."}, 'subagent "List."'),
        ("todo", {"action": "read"}, ""),
        ("server_tool", {"n": 1}, "server_tool"),
        ("bash", "not JSON", "bash"),
        ("bash", "[1]", "bash"),
        ("bash", None, "bash"),
        ("bash", {"command": ["ls"]}, "bash"),
    ],
)
def test_a_call_is_a_short_name_and_what_it_is_about(tool, arguments, shown):
    assert one(tool, arguments) == shown
    assert one(tool, json.dumps(arguments) if isinstance(arguments, dict) else arguments) == shown


@pytest.mark.parametrize(
    ("tool", "output", "shown"),
    [
        ("bash", "stdout: ok\n\nstderr: \nreturncode: 0", "bash (exit 0)"),
        ("bash", "stdout: \nstderr: a\nValueError: b\n\nreturncode: 1", "bash (exit 1: ValueError: b)"),
        ("bash", "stdout: 1 failed\nstderr: \nreturncode: 1", "bash (exit 1: 1 failed)"),
        (
            "bash",
            "<tool_error>bash failed: Command failed\nReturn code: 2\nStderr: no file\nStdout: </tool_error>",
            "bash (exit 2: no file)",
        ),
        ("read", "<tool_error>read failed: Not found: a\nx</tool_error>", "read (failed: Not found: a)"),
        ("bash", "<user_cancellation>stopped</user_cancellation>", "bash (cancelled)"),
        ("read", "content: x\nreturncode: 1", "read"),
        ("bash", "stdout: hi", "bash"),
    ],
)  # fmt: skip
def test_a_result_says_how_it_ended(tool, output, shown):
    assert one(tool, {}, output) == shown


def test_equal_neighbours_are_folded():
    calls = [called("edit", {"path": "a.py"})] * 3 + [
        called("read", {"path": "a.py"}),
        called("edit", {"path": "a.py"}),
    ]
    assert line(calls, kept, None)[0] == "edit a.py ×3; read a.py; edit a.py"


def test_files_are_named_from_the_project_on():
    assert one("read", {"path": "/home/dev/shop/src/a.py"}, project="/home/dev/shop/") == "read src/a.py"
    assert (
        one("read", {"path": "/home/dev/shopping/a.py"}, project="/home/dev/shop")
        == "read /home/dev/shopping/a.py"
    )


def test_a_long_line_keeps_its_beginning_and_its_end():
    calls = [called("bash", {"command": f"step {number} " + "x" * 300}) for number in range(30)]
    exited(calls[-1], 1, "boom")
    text = line(calls, kept, None)[0]
    assert len(text) <= 400
    assert text.startswith('bash "step 0 xxx')
    assert text.endswith("(exit 1: boom)")


def test_secrets_are_redacted_before_anything_is_cut():
    secret = "-----BEGIN-----" + "k" * 200 + "\nlast line of the key\n-----END-----"
    action = called("bash", {"command": "echo " + "y" * 100 + secret})
    exited(action, 1, f"trace\n{secret}")

    def redact(text):
        return text.replace(secret, "‹key›"), text.count(secret)

    text, count = line([action], redact, None)
    assert (count, "kkk" in text, "last line" in text) == (2, False, False)
    assert text.endswith('‹key›" (exit 1: ‹key›)')
