"""How each command of the README is run, or where, and which need more than a test has."""

from dataclasses import dataclass, field

Q = "When does the night train leave Portavela?"
ASKED = f"{Q}\n"
FORGOTTEN = "00000002-0000-4000-8000-000000000000"
NIGHT = r"\[1\] night-train-guide\.pdf, p\. 1 \(0\.\d\d\)"
SAYS = r" says 20:47\. \[1\]"
MINE = "tests/test_readme_commands.py::test_"
SMOKE, TRAINING = "tests/training/test_smoke.py::", "tests/training/test_commands.py::"
REMOTE = f"""from langserve import RemoteRunnable
RemoteRunnable("http://127.0.0.1:8000/rag").invoke({{"question": "{Q}"}})"""


@dataclass(frozen=True)
class Case:
    """What a command must say, and what it is given; "model" becomes an address that answers."""

    says: str
    fill: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    more: dict[str, str] = field(default_factory=dict)


TRIAL = {"OPENAI_BASE_URL": ""}  # unset; what the documents do not hold is asked of no model
LOGS = "~/.vibe/logs/session"
RUN = {
    "make": Case(r"make chat +ask your documents"),
    "make setup": Case(""),
    "make chat": Case("do not hold an answer", stdin="Who won the world cup in 1998?\n", more=TRIAL),
    "LLM_MODEL=qwen3:8b make chat": Case(f"qwen3:8b{SAYS}", stdin=ASKED),
    "OPENAI_BASE_URL=http://localhost:8000/v1 make chat": Case(
        f"m{SAYS}", {"http://localhost:8000": "model"}, ASKED
    ),
    ".venv/bin/python app.py --documents ~/Documents": Case(f"m{SAYS}", stdin=ASKED),
    f'.venv/bin/python app.py ask "{Q}"': Case(NIGHT),
    "make doctor": Case("documents"),
    f"make pull-local SRC={LOGS}": Case("files"),
    "make ingest": Case("turns"),
    "MEMORY_OWNER=ana make ingest": Case("turns"),
    "make stats": Case(r"turns of \d sessions"),
    'python app.py recall "how did we fix the CORS error"': Case("CORSMiddleware"),
    "python app.py [--thread NAME]": Case(f"m{SAYS}", {"NAME": "trains"}, ASKED),
    'python app.py search "Q" [-k N] [--min-score X]': Case("night-train", {"Q": Q, "N": "2", "X": "0.2"}),
    "python app.py index [--rebuild]": Case("1 files: "),
    "python app.py ingest [PATH] [--clear]": Case("turns", {"PATH": LOGS}),
    'python app.py recall "Q" [--project P] [--exclude-session ID] [-k N]': Case(
        "R00001", {"Q": "colour code of machine 1", "P": "shop", "ID": FORGOTTEN, "N": "2"}
    ),
    "python app.py vibe-config": Case("api_base"),
    "python -m benchmarks.mine --documents DIR [--questions N]": Case(
        r"ours +│ +4 │", {"DIR": "~/Documents", "N": "4"}
    ),
}
# Rows of the table that are run in another form; of a target `make -n` says that it is the same.
SAME = {
    'python app.py ask "Q"': f'.venv/bin/python app.py ask "{Q}"',
    "python app.py stats": "make stats",
    "python app.py doctor": "make doctor",
    "python app.py pull-local [PATH]": f"make pull-local SRC={LOGS}",
    "python app.py push": "S3_URI=s3://my-bucket/recuerdo make push",
    "python app.py pull-s3": "make pull-s3",
}
SERVED = {
    "python app.py serve [--host H] [--port P]": {"H": "127.0.0.1", "P": "port"},
    "MAX_MODEL_LEN=16384 make proxy": {},
    "make proxy UPSTREAM=http://server:11434": {"http://server:11434": "model"},
    "python app.py proxy [--host H] [--port P] [--upstream URL]": {
        "H": "127.0.0.1", "P": "port", "URL": "model"
    },
}  # fmt: skip
ELSEWHERE = {
    "python app.py forget --session ID": [f"{MINE}forgetting_asks_first"],
    "make proxy UPSTREAM=http://localhost:11434": [f"{MINE}a_request_through_the_proxy_is_explained"],
    "python app.py explain ID": [f"{MINE}a_request_through_the_proxy_is_explained"],
    "make serve": [f"{MINE}langserves_client_asks_as_it_is_written"],
    REMOTE: [f"{MINE}langserves_client_asks_as_it_is_written"],
    "python -m training export --adapter DIR --out DIR": [f"{MINE}an_adapter_is_merged"],
    "make langgraph": ["tests/test_studio.py::url"],
    "python -m training rows --logs DIR --out FILE": [f"{TRAINING}test_rows_are_made_of_logs"],
    "python -m training plan --recipe R --data D": [
        f"{TRAINING}test_a_plan_for_a_person_shows_what_is_learnt"
    ],
    "python -m training run --recipe R --data D --out DIR": [f"{SMOKE}{name}" for name in ("job", "adapter")],
    "python -m training prove --adapter DIR [--endpoint URL]": [
        f"{SMOKE}test_without_a_question_what_was_taught_is_asked",
        "tests/training/test_serving.py::test_a_proof_over_http_sends_the_key_and_needs_no_torch",
    ],
}
BY_CI = ("make test", "make setup-train")
# What a test has not. With a stand-in in its place, some are run below all the same.
LISTED = {
    "Docker": {
        "make rag", "make rag-cpu", "make rag-lora", "make vllm-lora", "make down",
        "python app.py rag [--model vllm-lora|ollama]", "python -m training serve [--adapter DIR]",
    },
    "A GPU": {"make train"},
    "The model hub": {"make train-hf DATASET=name"},
    "Ollama itself": {
        "ollama pull gpt-oss:20b", "OLLAMA_CONTEXT_LENGTH=16384 ollama serve",
        "python -m training export --adapter DIR --gguf ollama:NAME --out DIR",
    },
    "LangSmith itself": {"LANGSMITH_TRACING=true LANGSMITH_API_KEY=… make chat"},
    "A bucket of your own": {"S3_URI=s3://my-bucket/recuerdo make push", "make pull-s3"},
    "Question sets and an hour": {"make bench DATA=folder"},
}  # fmt: skip
