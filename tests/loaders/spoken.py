"""Messages as agents log them, to write logs of."""

import json

PROJECT = "/home/dev/shop"
WRAPPER = """Preamble
<previous_user_messages>
<previous_user_message>
Print v2.
</previous_user_message>
</previous_user_messages>
<compaction_summary>
It printed v1.
</compaction_summary>"""


def user(text, key=None, **more):
    return {
        "role": "user",
        "content": text,
        "injected": False,
        **({"message_id": key} if key else {}),
        **more,
    }


def assistant(text=None, *calls, key=None):
    message = {"role": "assistant", **({"content": text} if text else {}), "injected": False}
    if calls:
        message["tool_calls"] = [
            {"id": name, "function": {"name": tool, "arguments": json.dumps(given)}, "type": "function"}
            for name, tool, given in calls
        ]
    return message | ({"message_id": key} if key else {})


def tool(name, call, text):
    return {"role": "tool", "content": text, "injected": False, "name": name, "tool_call_id": call}


def folder_2x(session, **more):
    return {
        "session_id": session,
        "parent_session_id": None,
        "start_time": "2026-11-22T01:25:33.753981+00:00",
        "git_branch": "main",
        "environment": {"working_directory": PROJECT},
        "title": "Why does “make” fail?",
        "config": {"active_model": "local", "models": [{"name": "devstral", "alias": "local"}]},
    } | more
