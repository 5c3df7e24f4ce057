"""A server that answers as the APIs of models are documented to: python3 models.py PORT.

Chat Completions, Responses and Embeddings of OpenAI, Messages of Anthropic, Gemini, Ollama; whole, or streamed with a pause
before the first token.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAUSE = 0.15
# An answer of lines of JSON.
LINES = "application/x-ndjson"


def chat(asked):
    base = {"id": "chatcmpl-1", "created": 1, "model": asked["model"] + "-2026-01-01"}
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    if not asked.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        return {**base, "object": "chat.completion", "choices": [choice], "usage": usage}

    def chunk(delta, **more):
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
        return None, {**base, "object": "chat.completion.chunk", "choices": choices, **more}

    parts = [chunk({"role": "assistant", "content": ""}), PAUSE, chunk({"content": "Hel"}), chunk({"content": "lo"})]
    return [*parts, chunk(None, usage=usage), (None, "[DONE]")]


def messages(asked):
    base = {"id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"] + "-1"}
    if not asked.get("stream"):
        usage = {"input_tokens": 25, "output_tokens": 15}
        text = {"type": "text", "text": "Hello"}
        return {**base, "content": [text], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    usage = {"input_tokens": 25, "output_tokens": 1}
    start = {**base, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        PAUSE,
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 15}},
        {"type": "message_stop"},
    ]
    return [event if event == PAUSE else (event["type"], event) for event in events]


def responses(asked):
    text = {"type": "output_text", "text": "Hello", "annotations": []}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
    usage = {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 123,
    }
    base = {"id": "resp_1", "object": "response", "created_at": 1, "model": asked["model"] + "-2026-01-01"}
    base |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None}
    begun = {**base, "status": "in_progress", "output": [], "usage": None}
    whole = {**base, "status": "completed", "output": [item], "usage": usage}
    if not asked.get("stream"):
        return whole
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress", "content": []}},
        {"type": "response.content_part.added", **at, "part": {**text, "text": ""}},
        PAUSE,
        {"type": "response.output_text.delta", **at, "delta": "Hel", "logprobs": []},
        {"type": "response.output_text.delta", **at, "delta": "lo", "logprobs": []},
        {"type": "response.output_text.done", **at, "text": "Hello", "logprobs": []},
        {"type": "response.content_part.done", **at, "part": text},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return [
        event if event == PAUSE else (event["type"], {**event, "sequence_number": number})
        for number, event in enumerate(events)
    ]


def embeddings(asked):
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}]
    return {"object": "list", "data": data, "model": asked["model"], "usage": usage}


def gemini(asked, action):
    if action == "batchEmbedContents":
        return {"embeddings": [{"values": [0.5, -0.25]} for _ in asked["requests"]]}

    def part(text, output, **more):
        content = {"role": "model", "parts": [{"text": text}]}
        usage = {"promptTokenCount": 4, "candidatesTokenCount": output, "thoughtsTokenCount": 6}
        usage["totalTokenCount"] = 10 + output
        candidate = {"content": content, "index": 0, **more}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash-001", "responseId": "r"}

    if action == "generateContent":
        return part("Hello", 5, finishReason="STOP")
    return [PAUSE, (None, part("Hel", 3)), (None, part("lo", 5, finishReason="STOP"))]


def ollama(asked, kind):
    base = {"model": asked["model"], "created_at": "2026-01-01T00:00:00Z"}
    if kind == "embed":
        return {"model": asked["model"], "embeddings": [[0.5, -0.25]], "total_duration": 1, "load_duration": 1, "prompt_eval_count": 8}
    says = lambda text: {"message": {"role": "assistant", "content": text}} if kind == "chat" else {"response": text}
    end = {"done": True, "done_reason": "stop", "total_duration": 9, "load_duration": 1, "prompt_eval_count": 26}
    end |= {"prompt_eval_duration": 1, "eval_count": 298, "eval_duration": 7}
    # It streams unless it is told not to.
    if asked.get("stream") is False:
        return {**base, **says("Hello"), **end}
    parts = [{**base, **says(text), "done": False} for text in ("Hel", "lo")]
    return LINES, [PAUSE, *parts, {**base, **says(""), **end}]


ANSWERS = {
    "/v1/chat/completions": chat,
    "/v1/messages": messages,
    "/v1/responses": responses,
    "/v1/embeddings": embeddings,
    **{f"/api/{kind}": lambda asked, kind=kind: ollama(asked, kind) for kind in ("chat", "generate", "embed")},
    **{
        f"/{version}/models/{model}:{action}": lambda asked, action=action: gemini(asked, action)
        for version in ("v1", "v1beta")
        for model in ("gemini-2.5-flash", "gemini-embedding-001")
        for action in ("generateContent", "streamGenerateContent", "batchEmbedContents")
    },
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = ANSWERS[self.path.split("?")[0]](asked)
        self.send_response(200)
        if isinstance(answer, dict):
            body = json.dumps(answer).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        kind, answer = answer if isinstance(answer, tuple) else ("text/event-stream", answer)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in answer:
            if event == PAUSE:
                time.sleep(PAUSE)
                continue
            text = json.dumps(event) + "\n" if kind == LINES else self.event(*event)
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def event(self, name, data):
        data = data if isinstance(data, str) else json.dumps(data)
        return (f"event: {name}\n" if name else "") + f"data: {data}\n\n"

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
