"""A script for the upstream that does both of OpenAI's APIs as they are specified, without a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.proxy.upstream import Received, Reply, chat, refused

Json = dict[str, Any]
CREATED = 1764967971
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "completion_tokens_details": {"reasoning_tokens": 2},
}
RESPONSE = {
    "object": "response", "created_at": CREATED, "completed_at": CREATED, "status": "completed",
    "error": None, "incomplete_details": None, "previous_response_id": None, "instructions": None,
    "tools": [], "tool_choice": "auto", "truncation": "disabled", "parallel_tool_calls": True,
    "top_p": 1, "temperature": 1, "text": {"format": {"type": "text"}}, "top_logprobs": 0,
    "presence_penalty": 0, "frequency_penalty": 0, "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": None, "max_tool_calls": None, "store": True, "background": False,
    "service_tier": "default", "metadata": {}, "safety_identifier": None, "prompt_cache_key": None,
    "usage": {
        "input_tokens": 1, "output_tokens": 2, "total_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 1},
    },
}  # fmt: skip


def answering(received: Received) -> Any:
    """Answer a request by its path; what is neither API is answered as by any scripted upstream."""
    write = {"/v1/chat/completions": _completion, "/v1/responses": _response}.get(received.target)
    if received.method != "POST" or write is None:
        return chat("Hola")
    asked = received.json
    return write(asked) if "model" in asked else refused(400, "The field model is missing.")


def _completion(asked: Json) -> Reply:
    message, reason = _message(asked), "tool_calls" if asked.get("tools") else "stop"
    frame = {"id": "chatcmpl-1", "created": CREATED, "model": asked["model"]}
    if not asked.get("stream"):
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return _whole(frame | {"object": "chat.completion", "choices": [choice], "usage": USAGE})
    frame["object"] = "chat.completion.chunk"
    deltas = [({"role": "assistant"}, None), ({"content": message["content"]}, None), ({}, reason)]
    chunks = [
        frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas
    ]
    if (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append(frame | {"choices": [], "usage": USAGE})
    return _streamed([*(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "data: [DONE]\n\n"])


def _message(asked: Json) -> Json:
    message: Json = {
        "role": "assistant",
        "content": "Hello there, friend",
        "refusal": None,
        "annotations": [],
    }
    if asked.get("response_format"):
        message["content"] = '{"status": "ok"}'
    calls = [
        {"id": f"call_{index}", "type": "function", "function": _call(tool["function"])}
        for index, tool in enumerate(asked.get("tools") or ())
    ]
    return message | ({"content": None, "tool_calls": calls} if calls else {})


def _call(function: Json) -> Json:
    given = dict.fromkeys(function["parameters"]["properties"], "CANARY_OK")
    return {"name": function["name"], "arguments": json.dumps(given)}


def _response(asked: Json) -> Reply:
    response = RESPONSE | {"id": "resp_1", "model": asked["model"], "output": _output(asked)}
    if not asked.get("stream"):
        return _whole(response)
    events = enumerate(_events(response))
    told = [
        (kind, json.dumps({"type": kind, "sequence_number": number, **more}))
        for number, (kind, more) in events
    ]
    return _streamed(f"event: {kind}\ndata: {content}\n\n" for kind, content in told)


def _output(asked: Json) -> list[Json]:
    tools = asked.get("tools") or ()
    if tools:
        done = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1"}
        return [done | _call(tool) for tool in tools]
    part = {"type": "output_text", "text": "Hello there", "annotations": [], "logprobs": []}
    message = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
    return [message | {"content": [part]}]


def _events(response: Json) -> Iterator[tuple[str, Json]]:
    begun = response | {"status": "in_progress", "output": [], "completed_at": None, "usage": None}
    (item,) = response["output"]
    (part,) = item["content"]
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    yield (
        "response.output_item.added",
        {"output_index": 0, "item": item | {"status": "in_progress", "content": []}},
    )
    yield "response.content_part.added", place | {"part": part | {"text": ""}}
    for piece in ("Hello", " there"):
        yield "response.output_text.delta", place | {"delta": piece, "logprobs": []}
    yield "response.output_text.done", place | {"text": part["text"], "logprobs": []}
    yield "response.content_part.done", place | {"part": part}
    yield "response.output_item.done", {"output_index": 0, "item": item}
    yield "response.completed", {"response": response}


def _whole(content: Json) -> Reply:
    return Reply(headers=[("Content-Type", "application/json")], body=json.dumps(content).encode())


def _streamed(events: Any) -> Reply:
    body = [event.encode() for event in events]
    return Reply(headers=[("Content-Type", "text/event-stream")], body=body, framing="chunked")
