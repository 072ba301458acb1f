"""Twelve kinds of secrets planted in a log, wherever a person or an agent may write them: none is stored."""

import json
import random
import string

import pytest

CHANCE = random.Random(7)


def made(length, signs=string.ascii_letters + string.digits):
    return "".join(CHANCE.choices(signs, k=length))


BODY = "\n".join(made(64, string.ascii_letters + string.digits + "+/") for _ in range(6))
# The kind, how it is written, and what must not remain.
PLANTED = {
    "AWS access key": ("AWS_ACCESS_KEY_ID=AKIA{}", made(16, string.ascii_uppercase + "234567")),
    "AWS secret key": ("aws_secret_access_key = {}", made(40, string.ascii_letters + string.digits + "/+")),
    "GitHub token": ("git clone https://x-access-token:ghp_{}@example.com/a/b.git", made(36)),
    "OpenAI key": ("export OPENAI_API_KEY=sk-proj-{}", made(48)),
    "Anthropic key": ("anthropic.Anthropic(api_key='sk-ant-api03-{}AA')", made(93)),
    "Stripe key": ("stripe.api_key = \"sk_live_{}\"", made(24)),
    "Slack token": ("SLACK_BOT_TOKEN: xoxb-" + made(12, string.digits) + "-{}", made(24)),
    "Google key": ("https://maps.example.com/api?key=AIza{}", made(35)),
    "database password": ("postgres://app:{}@db.internal:5432/app", made(14)),
    "bearer token": ("curl -H 'Authorization: Bearer {}' https://api.example.com", made(40)),
    "private key": ("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", BODY),
    "spoken password": ("the password of the server is {}, write it down", "Xq7-" + made(8)),
}  # fmt: skip


def messages(written):
    """A turn with the secret in the question, a tool's arguments and output, and the answer."""
    call = {"name": "bash", "arguments": json.dumps({"command": f"echo {written}"})}
    output = f"stdout: {written}\nreturncode: 0"
    return [
        {"role": "user", "content": f"Set {written} for the garden", "message_id": "u1"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": call, "type": "function"}]},
        {"role": "tool", "name": "bash", "tool_call_id": "c1", "content": output},
        {"role": "assistant", "content": f"I used this for the garden: {written}", "message_id": "a1"},
    ]


@pytest.fixture
def logs(tmp_path):
    for number, (written, secret) in enumerate(PLANTED.values()):
        folder = tmp_path / "logs" / f"session_20261101_000000_{number:08x}"
        folder.mkdir(parents=True)
        text = written.format(secret)
        meta = {
            "session_id": f"{number:08x}-0000-4000-8000-000000000000",
            "title": f"Set {text}"[:50] + "…",
            "config": {},
        }
        (folder / "meta.json").write_text(json.dumps(meta | {"environment": {"working_directory": "/g"}}))
        told = [line | {"message_id": f"{line.get('message_id')}{number}"} for line in messages(text)]
        (folder / "messages.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))
    return tmp_path / "logs"


def test_none_of_twelve_kinds_is_in_the_data_folder_after_ingest(app, logs, data_dir):
    done = app("ingest", logs, "--json")
    facts = json.loads(done.stdout)
    assert (facts["turns"], facts["problems"]) == (len(PLANTED), [])
    assert facts["redacted"] >= 2 * len(PLANTED)
    recalled = app("recall", "set this for the garden", "-k", "50", "--json").stdout
    assert "[redacted:" in recalled
    stored = [file.read_bytes() for file in data_dir.rglob("*") if file.is_file()]
    for kind, (_, secret) in PLANTED.items():
        for part in (line[:20] for line in secret.split("\n")):
            assert part not in done.stdout + done.stderr + recalled, kind
            assert not any(part.encode() in content for content in stored), kind
