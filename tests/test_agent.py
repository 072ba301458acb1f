"""What Vibe is told by `vibe-config`, and what doctor says of it; the real client is given the same lines."""

import json
import tomllib
from urllib.parse import urlsplit

import pytest

import lending
from tests import scripted


def checks(app, name, **more):
    found = json.loads(app("doctor", "--json", **more).stdout)["checks"]
    return next(one for one in found if one["name"] == name)


def test_the_lines_are_toml_that_names_the_proxy_and_the_served_model(app, tmp_path):
    with scripted.server(pose="vllm", models=("mine",)) as model:
        done = app("vibe-config", RAG_UPSTREAM_URL=model.url, RAG_PROXY_PORT="11999", MAX_MODEL_LEN="32768")
    assert done.returncode == 0, done.stderr
    told = tomllib.loads(done.stdout)
    (provider,), (named,) = told["providers"], told["models"]
    assert provider["api_base"] == "http://127.0.0.1:11999/v1"
    assert "api_key_env_var" not in provider
    assert (named["name"], named["provider"]) == ("mine", provider["name"])
    assert named["auto_compact_threshold"] < 32768 - 2000
    assert told["active_model"] == named["alias"]
    away = {"RAG_UPSTREAM_URL": "http://127.0.0.1:9", "RAG_PROXY_API_KEY": "k", "RAG_PROXY_HOST": "0.0.0.0"}  # noqa: S104
    told = tomllib.loads(json.loads(app("vibe-config", "--json", **away).stdout)["toml"])
    assert told["providers"][0]["api_key_env_var"] == "RAG_PROXY_API_KEY"
    assert told["providers"][0]["api_base"] == "http://127.0.0.1:11435/v1"
    assert told["models"][0]["name"].startswith("mistralai/Devstral")


def test_doctor_asks_a_proxy_in_a_container_with_its_key(app):
    """From there a caller on this machine is not a caller on loopback."""
    ready = {
        "/ready": (200, {"status": "degraded", "degraded": [{"part": "memory", "reason": "nothing yet"}]})
    }
    with scripted.server(paths=ready) as proxy:
        port = str(urlsplit(proxy.url).port)
        found = checks(
            app,
            "proxy",
            RAG_PROXY_HOST="0.0.0.0",  # noqa: S104
            RAG_PROXY_PORT=port,
            RAG_PROXY_API_KEY="ana:first,ben:second",
        )
    assert (found["ok"], "memory: nothing yet" in found["detail"]) == (True, True)
    assert proxy.requests[0].headers["authorization"] == "Bearer first"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "there is no"),
        ("providers = 3\n", "names no provider"),
        ('[[providers]]\napi_base = "http://127.0.0.1:11434/v1"\n', "names no provider"),
        ('[[providers]]\napi_base = "http://else.example:11435/v1"\n', "names no provider"),
        ("providers = [", "cannot be read"),
        ('[[providers]]\napi_base = "http://localhost:11435/v1"\n', ""),
    ],
)
def test_doctor_says_whether_vibe_asks_the_proxy(app, tmp_path, written, said):
    if written is not None:
        (tmp_path / "config.toml").write_text(written)
    found = checks(app, "agent", VIBE_HOME=str(tmp_path))
    assert found["ok"] is (said == "")
    assert said in found["detail"]
    assert found["ok"] or "vibe-config" in found["fix"]


def test_doctor_says_when_a_killed_training_left_the_server_stopped(app, data_dir):
    assert "recover" not in (checks(app, "GPU")["fix"] or "")
    lent = lending.Lent("training", ("devstral-vllm",), "2026-11-26T14:02:00+00:00", 1, "gone")
    (data_dir / lending.JOURNAL).write_text(json.dumps(vars(lent)))
    found = checks(app, "GPU")
    assert found["ok"] is False
    assert "python -m training recover" in found["fix"]
