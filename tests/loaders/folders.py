"""Sessions of Vibe 2.x written by hand: a folder with messages.jsonl and meta.json."""

import json

from tests.loaders.spoken import assistant, folder_2x, tool

ID = "0a1b2c3d-0000-4000-8000-000000000000"
CHILD = "1b2c3d4e-0000-4000-8000-000000000000"
GRANDCHILD = "2c3d4e5f-0000-4000-8000-000000000000"
LOOK = assistant("Let me look.", ("c1", "read", {"file_path": "a.py"}))
SEEN = tool("read", "c1", "content: x")


def write(root, messages, session=ID, **meta):
    """A session's folder; a message that is text is written as it is."""
    folder = root / f"session_20261122_012533_{session[:8]}"
    folder.mkdir(parents=True)
    lines = [line if isinstance(line, str) else json.dumps(line) for line in messages]
    (folder / "messages.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "meta.json").write_text(json.dumps(folder_2x(session, **meta)))
    return folder
