"""The README's numbers, written from benchmarks/results.json.

python -m benchmarks.readme     put them into README.md, between its two marks

`tests/test_readme.py` fails when the two differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- numbers: python -m benchmarks.readme -->\n", "<!-- end of numbers -->\n"
NAMES = {
    "squad2_dev": "SQuAD 2.0, English",
    "en": "XQuAD, English",
    "es": "XQuAD, Spanish",
    "es-on-en": "Spanish questions, English text",
}
RECALLED = {"recall_2000": "all questions", "multi_hop_2000": "those that need several places"}
PROXIES = {
    "nginx": "nginx, without buffering",
    "ours_off": "Recuerdo, switched off",
    "ours": "Recuerdo, nothing to remember",
    "ours_with_memory": "Recuerdo, each request looked up",
    "litellm": "LiteLLM",
}
REFUSED = {"lost": "lost", "removed": "refused: article gone", "off topic": "about something else"}
REFUSING = {"cosine 0.3": "cosine 0.3", "plain at 2 %": "the cosine that loses 2 %", "ours": "Recuerdo"}
ALONE = {"plain": "MiniLM + FAISS", "bm25": "BM25", "rrf": "RRF of both"}
METHODS = ALONE | {"ours": "Recuerdo"}
RECALLING = ALONE | {"convex": "both by score", "neighbours": "single messages", "ours": "Recuerdo"}


def numbers(results: dict[str, Any]) -> str:
    """The section as Markdown."""
    machine, startup = results["machine"], results["startup"]
    indexing = results["ingest"]["indexing"]
    followups = results["followups"]
    return "\n".join(
        [
            "The right passage among the first 1 / 3 / 5, in per cent, all in one run "
            "(passages of 1000 characters):",
            "",
            f"| | questions | {' | '.join(METHODS.values())} |",
            f"|---|---|{'---|' * len(METHODS)}",
            *(_row(name, results["documents"][name]) for name in NAMES),
            "",
            "![The share of right passages against the time of a question](docs/pictures/documents.png)",
            "",
            f"Follow-up questions over the samples: {followups['together']} of 10 find their passage, "
            f"{followups['alone']} without the question before.",
            "",
            f"On {machine['cores']} cores, Python {machine['python']}: the prompt of a chat over "
            f"{startup['passages']:,} passages comes {startup['warm_median_s']} s after the start. "
            f"Indexing does {indexing['index_per_s']} passages a second, "
            f"{100 * indexing['share']:.0f} % of what the embedding "
            f"model alone reaches on the same passages; when nothing changed, {indexing['unchanged_s']} s. "
            f"Finding passages costs {_ms(results)} ms a question, its embedding included.",
            "",
            *_refused(results["confidence"]["sets"]),
            *_memory(results["memory"], results["ingest"]["logs"]),
            *_proxy(results["proxy"]),
        ]
    )


def _refused(sets: dict[str, Any]) -> list[str]:
    names = [name for name in NAMES if name in sets and sets[name]["rows"][0]["off topic"] is not None]
    heads = [f"{NAMES[name]}: {' / '.join(REFUSED.values())}" for name in names]
    rows = {name: {row["method"]: row for row in sets[name]["rows"]} for name in names}
    return [
        "Questions that have an answer and are refused, and those that have none, in per cent:",
        "",
        f"| | {' | '.join(heads)} |",
        f"|---|{'---|' * len(names)}",
        *(
            f"| {heading} | {' | '.join(_three(rows[name][method], method) for name in names)} |"
            for method, heading in REFUSING.items()
        ),
        "",
    ]


def _three(row: dict[str, Any], method: str) -> str:
    told = " / ".join(str(row[name]) for name in REFUSED)
    return f"**{told}**" if method == "ours" else told


def _memory(given: dict[str, Any], logs: list[dict[str, Any]]) -> list[str]:
    rows = {row["method"]: row for row in given["rows"]}
    ingest = {row["method"]: row for row in logs}
    recall = {row["what"]: row for row in given["recall"]["rows"]}
    plain, within = recall["recall"], recall["recall in one project"]
    methods = RECALLING
    five = rows["ours"]
    best = max((rows[name] for name in methods if name != "ours"), key=lambda row: float(row["recall@5"]))
    return [
        f"Past conversations (LoCoMo, {given['questions']:,} questions, units of four messages): how much of "
        "the evidence is told within 2,000 characters, in per cent:",
        "",
        f"| | {' | '.join(methods.values())} |",
        f"|---|{'---|' * len(methods)}",
        *(
            f"| {heading} | {' | '.join(_cell(rows[method][name], method) for method in methods)} |"
            for name, heading in RECALLED.items()
        ),
        "",
        f"The best of the others tells {best['recall@5']} % with its first five units, which have "
        f"{best['chars@5']:,} characters; ours with five items as shipped {five['recall_shipped']} % in "
        f"{five['chars_shipped']:,}.",
        "",
        f"With {given['recall']['turns']:,} turns in the embedded store, `recall` takes {plain['p50_ms']} ms "
        f"at the median and {plain['p95_ms']} ms for 95 of 100 questions, the question's embedding included; "
        f"held to one project {within['p50_ms']} and {within['p95_ms']} ms. Taking logs in reaches "
        f"{100 * ingest['ours']['share']:.0f} % of the embedding model's own speed; a second run over "
        f"{ingest['again']['sessions']:,} sessions takes {ingest['again']['seconds']} s.",
        "",
    ]


def _proxy(given: dict[str, Any]) -> list[str]:
    rows = [row for row in given["overhead"]["rows"] if row["method"] in PROXIES and row["p50_ms"]]
    (crowd,) = (row for row in given["overhead"]["streams"] if row["method"] == "ours")
    anew = {row["method"]: row for row in given["prefix"]}
    return [
        "What a proxy adds to the time to the first byte, one request at a time, before a server that "
        f"answers at once, and what it costs with 64 clients ({given['overhead']['set']}):",
        "",
        "| | added ms, median | 95 of 100 | processor ms a request | MB |",
        "|---|---|---|---|---|",
        *(
            f"| {PROXIES[row['method']]} | {row['added_p50_ms']} | {row['added_p95_ms']} | "
            f"{row['cpu_ms_per_request']} | {row['rss_mb']} |"
            for row in rows
        ),
        "",
        "![What a proxy adds to each request, and its processor time](docs/pictures/proxy.png)",
        "",
        f"{crowd['streams']:,} streams at once: {crowd['dropped']} dropped, {crowd['rss_mb']} MB. "
        "Tokens that a model server reads anew in a conversation of three turns and eight requests "
        f"(llama.cpp, its own count): {anew['none']['tokens_read_anew']:,} without memory, "
        f"**{anew['ours']['tokens_read_anew']:,}** with it, of which {anew['ours']['memory_tokens']} are the "
        f"memories; {anew['current_turn']['tokens_read_anew']:,} when it moves with the last message, "
        f"{anew['system']['tokens_read_anew']:,} in the system message.",
        "",
    ]


def _cell(value: float, method: str) -> str:
    return f"**{value}**" if method == "ours" else str(value)


def _row(name: str, given: dict[str, Any]) -> str:
    rows = {row["method"]: row for row in given["rows"]}
    cells = [" / ".join(str(rows[method][f"hit@{k}"]) for k in (1, 3, 5)) for method in METHODS]
    cells[-1] = f"**{cells[-1]}**"
    return f"| {NAMES[name]} | {given['questions']:,} | {' | '.join(cells)} |"


def _ms(results: dict[str, Any]) -> float:
    rows = results["documents"]["squad2_dev"]["rows"]
    return next(float(row["ms"]) for row in rows if row["method"] == "ours")


def main() -> None:
    """Write the section into the README."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    README.write_text(before + BEGIN + numbers(results) + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
