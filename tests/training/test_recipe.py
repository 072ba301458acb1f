"""Recipes say what they were asked to say, and what cannot be meant is refused in one sentence."""

import pytest
import yaml

from errors import BadInput
from training.recipe import RECIPES, SERVED, as_yaml, load, override, parse, serving_rank

SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
OURS = sorted(path.stem for path in RECIPES.glob("*.yaml"))
SMOKE = (RECIPES / "smoke.yaml").read_text()


def refused(tmp_path, content) -> str:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith(".")
    assert "\n" not in message
    return message.removeprefix(str(path))


def changed(old: str, new: str) -> str:
    assert SMOKE.count(old) == 1
    return SMOKE.replace(old, new)


def test_there_are_three_recipes():
    assert OURS == ["devstral", "gpt-oss", "smoke"]


def test_devstral_is_what_was_asked_for():
    found = load("devstral")
    assert found.base == "mistralai/Devstral-Small-2-24B-Instruct-2512"
    assert (found.family, found.quantization) == ("devstral", "nf4")
    assert (found.r, found.lora_alpha, found.target_modules) == (32, 64, SEVEN)


def test_gpt_oss_is_what_was_asked_for():
    found = load("gpt-oss")
    assert (found.base, found.family) == ("openai/gpt-oss-20b", "gpt-oss")
    assert (found.r, found.lora_alpha, found.lora_dropout) == (16, 32, 0.05)
    assert found.target_modules == SEVEN[:4]
    assert (found.optim, found.batch_size, found.learning_rate) == ("paged_adamw_32bit", 4, 2e-4)
    assert (found.epochs, found.precision, found.output) == (3, "auto", "gpt_oss_fine_tuned/")


def test_smoke_is_small_and_needs_no_hub():
    found = load("smoke")
    assert (found.base, found.family) == ("bundled:SmolLM2-135M-Instruct", "smollm2")
    assert (found.quantization, found.optim, found.target_modules) == ("none", "adamw_torch", SEVEN)


@pytest.mark.parametrize("name", OURS)
def test_a_recipe_says_the_same_after_it_was_written(name, tmp_path):
    found = load(name)
    (tmp_path / "recipe.yaml").write_text(as_yaml(found))
    assert load(tmp_path / "recipe.yaml") == found == load(f"{name}.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", " is empty: a recipe is made of `key: value` lines."),
        ("# nothing but a remark\n", " is empty: a recipe is made of `key: value` lines."),
        ("- a\n- b\n", " is a list: a recipe is made of `key: value` lines."),
        ("r\n", " is a single value: a recipe is made of `key: value` lines."),
        (b"base: caf\xe9\n", " is no UTF-8 from byte 9 on: save it as UTF-8."),
        (SMOKE + "r: 3\n", ": r is there twice; leave one of them out."),
        (SMOKE + "epoch: 3\n", ": there is no epoch; did you mean epochs."),
        (changed("r: 16", "rank: 16"), ": there is no rank; did you mean r."),
        (changed("r: 16\n", ""), ": r is missing; add a line `r: …`."),
        (changed("base: bundled:SmolLM2-135M-Instruct", "base: ''"), ": base must be some text, not ''."),
        (SMOKE + "1: 2\n", ": there is no 1; did you mean warmup_share."),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(content, said, tmp_path):
    assert refused(tmp_path, content) == said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("r: 16", 'r: "16"', "r must be a whole number, not '16'"),
        ("r: 16", "r: 16.0", "r must be a whole number, not 16.0"),
        ("r: 16", "r: true", "r must be a whole number, not True"),
        ("r: 16", "r: 0", "r must be at least 1, not 0"),
        ("r: 16", "r: 600", "r must be at most 512, not 600"),
        ("1.0e-3", "fast", "learning_rate must be a number, not 'fast'"),
        ("1.0e-3", "0", "learning_rate must be more than 0.0, not 0"),
        ("1.0e-3", "2", "learning_rate must be at most 1.0, not 2"),
        ("1.0e-3", ".nan", "learning_rate must be a number, not nan"),
        ("epochs: 8", "epochs: .inf", "epochs must be a number, not inf"),
        ("optim: adamw_torch", "optim: adam", "optim must be 'adamw_torch', "),
        (
            "output: smoke",
            "output: ../smoke",
            "output must be a folder's name of letters, digits, _, . and -",
        ),
        ("output: smoke", "output: smoke\nrevision: 12", "revision must be text (in quotes, where it looks"),
        ("output: smoke", "output: smoke\nheld_back: 1", "held_back must be less than 1.0, not 1"),
        (
            f"[{', '.join(SEVEN)}]",
            "q_proj",
            "target_modules must be a list, such as [q_proj, v_proj], not 'q",
        ),
        (f"[{', '.join(SEVEN)}]", "[]", "target_modules must be a list with something in it, not ()"),
        (f"[{', '.join(SEVEN)}]", "[1]", "target_modules.0 must be text"),
        (f"[{', '.join(SEVEN)}]", "[q_prj]", "target_modules: there is no q_prj; did you mean q_proj."),
        (
            f"[{', '.join(SEVEN)}]",
            "[q_proj, q_proj]",
            "target_modules: q_proj is there twice; leave one out.",
        ),
        ("family: smollm2", "family: gpt-oss", "gate_proj of gpt-oss lies in its experts"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(old, new, said, tmp_path):
    assert said in refused(tmp_path, changed(old, new))


@pytest.mark.parametrize(
    "more",
    ["foo\n", "\tx: 1\n", "[a]: 2\n", "revision: 2024-13-45\n", "---\nr: 3\n", "a: " + "[" * 5000 + "\n"],
)
def test_what_is_no_yaml_is_refused(more, tmp_path):
    assert refused(tmp_path, SMOKE + more).startswith(" is no YAML: ")


@pytest.mark.parametrize("name", ["nothing", "elsewhere/devstral", "/"])
def test_a_recipe_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(BadInput, match=f"There is no recipe {name}: .*one of devstral, gpt-oss, smoke"):
        load(name)


@pytest.mark.parametrize(("text", "number"), [("2e-4", 2e-4), ("2E-4", 2e-4), ("1e-1", 0.1), ("2.e-4", 2e-4)])
def test_scientific_numbers_are_numbers_though_yaml_says_text(text, number, tmp_path):
    assert isinstance(yaml.safe_load("2e-4"), str)
    path = tmp_path / "mine.yaml"
    path.write_text(changed("1.0e-3", text))
    assert load(path).learning_rate == number
    assert override(load("smoke"), [f"learning_rate={text}"]).learning_rate == number


def test_only_numbers_are_read_so():
    revision = "12345678901234567890123456789012345678e1"
    found = override(load("smoke"), [f"revision='{revision}'"])
    assert parse(yaml.safe_load(as_yaml(found)), "saved").revision == revision


def test_a_recipe_is_overridden():
    found = override(load("devstral"), ["max_tokens=2048", "target_modules=[q_proj, v_proj]", "revision=abc"])
    assert (found.max_tokens, found.target_modules, found.revision) == (2048, ("q_proj", "v_proj"), "abc")
    assert found.lora_alpha == load("devstral").lora_alpha
    assert override(found, ["revision=null"]).revision is None
    assert override(found, []) == found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["max_tokens"], "'max_tokens' changes nothing: write key=value, as in max_tokens=2048."),
        (["max_tokens="], "'max_tokens=' changes nothing: write key=value, as in max_tokens=2048."),
        (["=3"], "'=3' changes nothing: write key=value, as in max_tokens=2048."),
        (["maxtokens=1"], "maxtokens=1: there is no maxtokens; did you mean max_tokens."),
        (["r=8", "max_tokens=1.5"], "r=8, max_tokens=1.5: max_tokens must be a whole number, not 1.5."),
        (["r=8", "r=9"], "r is given twice: leave one of them out."),
        (["family=gpt-oss"], "family=gpt-oss: target_modules: gate_proj of gpt-oss lies in its experts"),
    ],
)
def test_overrides_are_as_strict(changes, said):
    with pytest.raises(BadInput) as caught:
        override(load("devstral"), iter(changes))
    assert str(caught.value).startswith(said)


def test_an_override_that_is_no_yaml_is_refused():
    with pytest.raises(BadInput, match=r"r=\[ is no YAML"):
        override(load("smoke"), ["r=["])


@pytest.mark.parametrize(("r", "rank"), [(1, 1), (2, 8), (16, 16), (17, 32), (257, 320), (512, 512)])
def test_a_rank_is_served_by_the_next_that_vllm_knows(r, rank):
    assert serving_rank(r) == rank
    assert rank in SERVED


@pytest.mark.parametrize("r", [0, 513])
def test_a_rank_that_vllm_does_not_serve_is_refused(r):
    with pytest.raises(BadInput, match=f"no adapter of rank {r}"):
        serving_rank(r)
