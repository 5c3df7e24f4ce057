"""A server that answers as the APIs of models are documented to: python3 models.py PORT.

Chat Completions and Responses of OpenAI, Messages of Anthropic; whole, or streamed with a pause before the first token.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAUSE = 0.15


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


ANSWERS = {"/v1/chat/completions": chat, "/v1/messages": messages}


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
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in answer:
            if event == PAUSE:
                time.sleep(PAUSE)
                continue
            name, data = event
            data = data if isinstance(data, str) else json.dumps(data)
            text = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
