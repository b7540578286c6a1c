"""Drives a running server with the `openai` package: every call a client library makes must just work.

Usage: python openai_client.py [http://127.0.0.1:8080]
"""

import json
import sys

import openai
import pydantic

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

biased = client.completions.create(model=model, prompt="The quick brown fox", max_tokens=4, temperature=0,
                                   logit_bias={"1000": 100})
plain = client.completions.create(model=model, prompt="The quick brown fox", max_tokens=4, temperature=0)
print("logit_bias", repr(biased.choices[0].text), "instead of", repr(plain.choices[0].text))
assert biased.choices[0].text != plain.choices[0].text and len(set(biased.choices[0].text.split())) == 1

for parallel in (False, True):
    reply = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "What is the weather in Paris and in Oslo, in celsius?"}],
        tools=tools, tool_choice="required", parallel_tool_calls=parallel, temperature=0, max_tokens=128)
    calls = [json.loads(c.function.arguments) for c in reply.choices[0].message.tool_calls]
    print("parallel_tool_calls", parallel, calls)
    assert parallel or len(calls) == 1

chunks = list(client.chat.completions.create(
    model=model, messages=hello, max_tokens=4, stream=True, stream_options={"include_usage": True}, user="u",
    service_tier="auto", extra_body={"priority": 1}, extra_headers={"X-Request-Timeout-Ms": "60000"}))
print("streamed usage", chunks[-1].usage.total_tokens, "cached", chunks[-1].usage.prompt_tokens_details.cached_tokens)

reply = client.responses.create(model=model, input=hello[0]["content"], temperature=0, max_output_tokens=16)
print("response", repr(reply.output_text), reply.status, reply.usage.total_tokens)
with client.responses.stream(model=model, input=hello[0]["content"], temperature=0, max_output_tokens=16) as stream:
    events = list(stream)
    final = stream.get_final_response()
numbers = [e.sequence_number for e in events if hasattr(e, "sequence_number")]
print("response stream", len(events), "events", repr(final.output_text))
assert final.output_text == reply.output_text and numbers == sorted(numbers)

second = client.responses.create(model=model, input="And of Italy?", previous_response_id=reply.id, temperature=0,
                                 max_output_tokens=16)
print("continued", repr(second.output_text), "cached", second.usage.input_tokens_details.cached_tokens)
assert client.responses.retrieve(reply.id).output_text == reply.output_text
assert [i.type for i in client.responses.input_items.list(reply.id)] == ["message"]
client.responses.delete(reply.id)
try:
    client.responses.retrieve(reply.id)
    raise SystemExit("a deleted response was found")
except openai.NotFoundError as error:
    print("deleted", error.code)


class Person(pydantic.BaseModel):
    name: str
    age: int


parsed = client.responses.parse(
    model=model, input="Ada is 36 years old. Extract name and age as JSON.", text_format=Person, temperature=0,
    max_output_tokens=64)
print("parsed", parsed.output_parsed)
assert isinstance(parsed.output_parsed, Person)

functions = [{"type": "function", "strict": True, **tools[0]["function"]}]
with client.responses.stream(
        model=model, input=ask[0]["content"], tools=functions, temperature=0, max_output_tokens=96,
        tool_choice={"type": "function", "name": "get_weather"}) as stream:
    call = stream.get_final_response().output[0]
print("response call", call.type, call.name, call.arguments)
answer = client.responses.create(
    model=model, temperature=0, max_output_tokens=48, tools=functions, tool_choice="none",
    input=ask + [call.to_dict(), {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}])
print("after the call", repr(answer.output_text))
assert client.responses.create(model=model, input="Count to 100.", max_output_tokens=3).status == "incomplete"

if embedder:
    ranked = client.post("/rerank", cast_to=object, body={
        "model": embedder, "query": "How do I reset my password?", "top_n": 1,
        "documents": ["The canteen opens at noon.", "To change a password, open the settings."]})
    print("rerank", ranked["model"], ranked["results"])
    assert ranked["results"][0]["index"] == 1

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

documents = next((m for m in models if m.startswith("documents/")), None)
if documents:
    ask = [{"role": "user", "content": "What is the limit for a hotel night in Oslo?"}]
    message = client.chat.completions.create(model=documents, messages=ask).choices[0].message
    print("documents", repr(message.content))
    for annotation in message.annotations or []:
        place = annotation.url_citation
        print("  cites", repr(message.content[place.start_index:place.end_index]), place.title, place.url)
    pieces = [
        c.choices[0].delta.content or ""
        for c in client.chat.completions.create(model=documents, messages=ask, stream=True) if c.choices
    ]
    assert "".join(pieces) == message.content
