"""Drives a running server with the `openai` package: every call a client library makes must just work.

Usage: python openai_client.py [http://127.0.0.1:8080]
"""

import json
import sys

import openai

base = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=0)

models = [m.id for m in client.models.list()]
print("models", models)
model = next(m for m in models if "minilm" not in m)
embedder = next((m for m in models if "minilm" in m), None)

hello = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
reply = client.chat.completions.create(model=model, messages=hello, max_tokens=16, temperature=0)
print("chat", repr(reply.choices[0].message.content), reply.choices[0].finish_reason, reply.usage.total_tokens)

pieces = [
    c.choices[0].delta.content or ""
    for c in client.chat.completions.create(model=model, messages=hello, max_tokens=16, temperature=0, stream=True)
    if c.choices
]
print("stream", len(pieces), "pieces", repr("".join(pieces)))
assert "".join(pieces) == reply.choices[0].message.content

tools = [{
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
        },
    },
}]
ask = [{"role": "user", "content": "What is the weather in Paris in celsius?"}]
for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}, "auto"):
    reply = client.chat.completions.create(
        model=model, messages=ask, tools=tools, tool_choice=choice, temperature=0, max_tokens=64)
    message = reply.choices[0].message
    calls = [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]
    print("tool call", choice if isinstance(choice, str) else "named", calls or repr(message.content),
          reply.choices[0].finish_reason)

schema = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
reply = client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": "Ada is 36 years old. Extract name and age as JSON."}],
    response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}},
    temperature=0, max_tokens=64)
print("structured", json.loads(reply.choices[0].message.content))

reply = client.chat.completions.create(
    model=model, messages=hello, max_tokens=4, temperature=0, logprobs=True, top_logprobs=2)
print("logprobs", [(t.token, round(t.logprob, 3), len(t.top_logprobs)) for t in reply.choices[0].logprobs.content])

text = client.completions.create(model=model, prompt="The quick brown fox", max_tokens=8, temperature=0)
print("completion", repr(text.choices[0].text))

many = client.chat.completions.create(model=model, messages=hello, n=2, seed=7, max_tokens=8)
print("n=2", [c.message.content for c in many.choices])

if embedder:
    vectors = client.embeddings.create(model=embedder, input=["a cat", "a kitten", "tax law"])
    a, b, c = (v.embedding for v in vectors.data)
    dot = lambda x, y: sum(p * q for p, q in zip(x, y))
    print("embeddings", len(a), "cat·kitten %.3f cat·tax %.3f" % (dot(a, b), dot(a, c)))
    assert dot(a, b) > dot(a, c)

try:
    client.chat.completions.create(model="no-such-model", messages=hello)
except openai.NotFoundError as error:
    print("error", error.status_code, error.code, error.body["message"])
try:
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "word " * 200_000}])
except openai.BadRequestError as error:
    print("error", error.status_code, error.code)
