"""The steps that readers keep of logs, in a form that can be compared."""

import json

from loaders.vibe.logs import list_logs, read_log
from loaders.vibe.sessions import joined
from loaders.vibe.turns import Done, Lost


def sessions(root, steps=True):
    return joined([session for log in list_logs(root).logs for session in read_log(log, steps).sessions])


def only_turn(root):
    [session] = sessions(root)
    [turn] = session.turns
    return turn


def shown(step):
    """A step as short as can be compared."""
    if isinstance(step, Lost):
        return "lost", step.role
    if isinstance(step, Done):
        return "done", step.tool, step.output
    called = [
        (call.tool, json.loads(call.arguments) if isinstance(call.arguments, str) else call.arguments)
        for call in step.calls
    ]
    return "said", step.text, called
