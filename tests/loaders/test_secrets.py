import base64
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.secrets.redactor import Redactor
from tests.loaders.secret_examples import (
    BODY,
    DSN,
    EXAMPLES,
    GITHUB,
    HEX,
    LOOK_ALIKES,
    MARKED,
    SHAPED,
    made,
    written,
)

HERE = Path(__file__).parent
LABELLED = HERE / "secrets_labelled.jsonl"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache") / "rules"


@pytest.fixture(scope="module")
def redactor(cache):
    return Redactor(cache)


# The secret and its kind stand in ⟨⟩.
ENCODED = base64.b64encode(random.Random(5).randbytes(3000)).decode()


@pytest.mark.parametrize("example", EXAMPLES)
def test_only_the_secret_goes_and_what_stands_around_it_stays(redactor, example):
    assert redactor.redact(written(example)).text == MARKED.sub(r"[redacted:\1]", example)


@pytest.mark.parametrize(("kind", "key"), SHAPED)
def test_a_key_of_a_known_shape_is_found_without_a_name(redactor, kind, key):
    assert redactor.redact(f"ñandú: {key}, y nada más").text == f"ñandú: [redacted:{kind}], y nada más"


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_what_only_looks_like_a_secret_stays(redactor, text):
    redacted = redactor.redact(text)
    assert (redacted.text, redacted.count) == (text, 0)


def test_long_base64_and_certificates_stay(redactor):
    certificate = f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----"
    for text in (
        ENCODED,
        f"data:image/png;base64,{ENCODED}",
        f'"integrity": "sha512-{ENCODED[:86]}=="',
        certificate,
    ):
        assert redactor.redact(text).text == text


@pytest.mark.parametrize(
    "kind", ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
def test_a_private_key_goes_whole_quoted_or_cut_off(redactor, kind):
    key = f"-----BEGIN {kind}-----\n{BODY}\n-----END {kind}-----"
    assert redactor.redact(f"see {key} there").text == "see [redacted:private-key] there"
    quoted = json.dumps({"private_key": key})
    assert redactor.redact(quoted).text == '{"private_key": "[redacted:private-key]"}'
    assert redactor.redact(f"see {key[:300]}\nand then").text == "see [redacted:private-key]\nand then"


def test_of_a_service_account_only_the_key_goes(redactor):
    account = {
        "type": "service_account",
        "private_key_id": HEX,
        "private_key": "",
        "auth_provider_x509_cert_url": "x",
    }
    pem = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n"
    left = json.dumps(account | {"private_key": "[redacted:private-key]\n"}, indent=1)
    assert redactor.redact(json.dumps(account | {"private_key": pem}, indent=1)).text == left


def test_what_is_encoded_goes_with_its_code(redactor):
    code = base64.b64encode(f"here is {GITHUB} now".encode()).decode()
    assert redactor.redact(f"ñ {code} fin").text == "ñ [redacted:github-pat] fin"


def test_every_place_of_a_secret_is_redacted_and_counted(redactor):
    redacted = redactor.redact(f"{DSN}\nretry: {DSN}\nit said hunter2-example, but hunter2-examples stays")
    assert "hunter2-example," not in redacted.text
    assert redacted.text.endswith("hunter2-examples stays")
    assert redacted.count == 3


def test_a_text_longer_than_any_window_is_redacted_to_its_end(redactor):
    token = made(3000)
    for text in (
        f"Authorization: Bearer {token}",
        f"aws_session_token={token}",
        f'"token": "{token}"',
        f"Cookie: sid={token}",
    ):
        assert token[-20:] not in redactor.redact(text).text
        assert token[-20:] not in redactor.redact(f"{text}, {DSN}").text


PIECES = [
    *map(written, EXAMPLES),
    *(key for _, key in SHAPED),
    *LOOK_ALIKES,
]
NOISE = st.text(st.sampled_from("\"'`=:;,|\\\n/@<>() ñ\ud800[]aB1"), max_size=12) | st.text(max_size=12)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(PIECES) | NOISE, max_size=6), st.sampled_from(["", " ", "\n", '"', "\\n"]))
def test_redacting_twice_is_redacting_once(redactor, pieces, joint):
    once = redactor.redact(joint.join(pieces))
    assert redactor.redact(once.text) == type(once)(once.text, 0)


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("ñé日🎉\ud800\0\ufeffİ a")) | st.text())
def test_the_place_is_right_whatever_stands_before(redactor, before):
    redacted = redactor.redact(f"{before} {GITHUB} ñ, DB_PASSWORD=hunter2 ñ").text
    assert redacted.endswith(" [redacted:github-token] ñ, DB_PASSWORD=[redacted:password] ñ")


@pytest.mark.parametrize(
    "unit", ["a", "=", '"', "\\", "{", "password=", "password is ", "://a:", "curl -u ", "BEGIN", ENCODED]
)
def test_a_hostile_line_takes_no_more_than_its_length(redactor, unit):
    text = (unit * (300_000 // len(unit) + 1))[:300_000]
    assert redactor.redact(text).text


def test_it_is_the_same_in_every_process(redactor, cache):
    text = "\n".join(PIECES)
    code = "import sys; from pathlib import Path; from loaders.secrets.redactor import Redactor\n"
    code += "sys.stdout.buffer.write(Redactor(Path(sys.argv[1])).redact(sys.stdin.read()).text.encode())"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code, str(cache)],
            input=text.encode(),
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            cwd=HERE.parent.parent,
            capture_output=True,
            check=True,
        )
        assert run.stdout.decode() == redactor.redact(text).text


def test_the_rules_are_compiled_on_first_use_and_kept(tmp_path):
    cache = tmp_path / "a" / "rules"
    first = Redactor(cache)
    assert first.version == Redactor(cache).version
    assert not cache.exists()
    first.redact("")
    kept = {file.name: file.stat().st_mtime_ns for file in cache.iterdir()}
    assert kept
    Redactor(cache).redact(DSN)
    assert {file.name: file.stat().st_mtime_ns for file in cache.iterdir()} == kept


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").write_text("")
    assert Redactor(tmp_path / "file" / "rules").redact(DSN).count == 1


@pytest.mark.skipif(not LABELLED.exists(), reason="the labelled set is not here")
def test_recall_and_precision_on_texts_that_nobody_tuned_on(redactor):
    items = [json.loads(line) for line in LABELLED.read_text().splitlines() if line.strip()]
    found = changed = 0
    for item in items:
        text = redactor.redact(item["text"]).text
        if item["secrets"]:
            found += not any(secret in text for secret in item["secrets"])
        else:
            changed += text != item["text"]
    recall = found / sum(bool(item["secrets"]) for item in items)
    precision = found / (found + changed)
    assert (recall >= 0.95, precision >= 0.97) == (True, True), (
        f"recall {recall:.3f}, precision {precision:.3f}"
    )
