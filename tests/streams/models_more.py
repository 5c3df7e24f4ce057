"""Asks models by what else there is, with the clients that their makers publish: python3 models_more.py PORT.

Responses and Embeddings (PyPI `openai`), Gemini (`google-genai`), Ollama (`ollama`); whole and streamed.
"""

import sys

import ollama
import openai
from google import genai

BASE = f"http://127.0.0.1:{sys.argv[1]}"
SAID = [{"role": "user", "content": "hi"}]

client = openai.OpenAI(base_url=f"{BASE}/v1", api_key="sk-test", max_retries=0)
assert client.responses.create(model="gpt-5", input="hi").output_text == "Hello"
with client.responses.stream(model="gpt-5", input="hi") as stream:
    assert "".join(event.delta for event in stream if event.type == "response.output_text.delta") == "Hello"
    assert stream.get_final_response().output_text == "Hello"
assert client.embeddings.create(model="e5", input="hi", encoding_format="float").data[0].embedding == [0.5, -0.25]

client = genai.Client(api_key="test", http_options={"base_url": BASE})
asked = {"model": "gemini-2.5-flash", "contents": "hi"}
assert client.models.generate_content(**asked).text == "Hello"
assert "".join(part.text for part in client.models.generate_content_stream(**asked)) == "Hello"
embedded = client.models.embed_content(model="gemini-embedding-001", contents=["hi"])
assert embedded.embeddings[0].values == [0.5, -0.25]

client = ollama.Client(host=BASE)
assert client.chat(model="llama3.2", messages=SAID).message.content == "Hello"
assert "".join(part.message.content for part in client.chat(model="llama3.2", messages=SAID, stream=True)) == "Hello"
assert client.generate(model="llama3.2", prompt="hi").response == "Hello"
assert "".join(part.response for part in client.generate(model="llama3.2", prompt="hi", stream=True)) == "Hello"
assert client.embed(model="llama3.2", input="hi").embeddings[0] == [0.5, -0.25]
