"""Asks models with the clients that their makers publish: python3 models_client.py PORT [h2].

`h2`: over HTTP/2 by TLS.
"""

import sys

import anthropic
import httpx2
import openai

H2 = "h2" in sys.argv
BASE = f"{'https' if H2 else 'http'}://127.0.0.1:{sys.argv[1]}"
SAID = [{"role": "user", "content": "hi"}]

http = httpx2.Client(http1=not H2, http2=H2, verify=False)
client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="sk-test", max_retries=0, http_client=http)
assert client.chat.completions.create(model="gpt-4o", messages=SAID).choices[0].message.content == "Hello"
parts = client.chat.completions.create(
    model="gpt-4o", messages=SAID, stream=True, stream_options={"include_usage": True}
)
assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == "Hello"

client = anthropic.Anthropic(base_url=BASE, api_key="sk-test", max_retries=0, http_client=http)
assert client.messages.create(model="claude-x", max_tokens=50, messages=SAID).content[0].text == "Hello"
with client.messages.stream(model="claude-x", max_tokens=50, messages=SAID) as stream:
    assert "".join(stream.text_stream) == "Hello"
