"""Drives a running server with the `anthropic` package: every call a client library makes must just work.

Usage: python anthropic_client.py [http://127.0.0.1:8080]
"""

import sys

import anthropic

# The client has no parameter for the temperature any more; the API still does.
greedy = {"temperature": 0}
base = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = anthropic.Anthropic(base_url=base, api_key="none", max_retries=0)

models = [m.id for m in client.models.list()]
print("models", models)
model = next(m for m in models if "minilm" not in m)

hello = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
reply = client.messages.create(model=model, max_tokens=16, extra_body=greedy, messages=hello)
print("message", repr(reply.content[0].text), reply.stop_reason, reply.usage.input_tokens, reply.usage.output_tokens)
assert reply.type == "message" and reply.role == "assistant" and reply._request_id

counted = client.messages.count_tokens(model=model, messages=hello)
total = reply.usage.input_tokens + (reply.usage.cache_read_input_tokens or 0)
print("count_tokens", counted.input_tokens)
assert counted.input_tokens == total, (counted.input_tokens, total)

with client.messages.stream(model=model, max_tokens=16, extra_body=greedy, messages=hello) as stream:
    pieces = list(stream.text_stream)
    final = stream.get_final_message()
print("stream", len(pieces), "pieces", repr("".join(pieces)), final.stop_reason, final.usage.output_tokens)
assert "".join(pieces) == reply.content[0].text and final.usage.output_tokens == reply.usage.output_tokens

raw = client.messages.create(model=model, max_tokens=8, extra_body=greedy, messages=hello, stream=True)
kinds = [e.type for e in raw]
print("events", kinds[0], kinds[-1], len(kinds))
assert kinds[0] == "message_start" and kinds[-1] == "message_stop"

counting = [{"role": "user", "content": "Count from 1 to 9, separated by commas."}]
reply = client.messages.create(model=model, max_tokens=40, extra_body=greedy, messages=counting, stop_sequences=["4"])
print("stop sequence", repr(reply.content[0].text), reply.stop_reason, reply.stop_sequence)
assert reply.stop_reason == "stop_sequence" and reply.stop_sequence == "4" and "4" not in reply.content[0].text

reply = client.messages.create(model=model, max_tokens=3, extra_body=greedy, messages=counting)
assert reply.stop_reason == "max_tokens", reply.stop_reason

tools = [{
    "name": "get_weather",
    "description": "Current weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
    },
}]
ask = [{"role": "user", "content": "What is the weather in Paris in celsius?"}]
for choice in ({"type": "any", "disable_parallel_tool_use": True}, {"type": "any"},
               {"type": "tool", "name": "get_weather"}, {"type": "auto"}, {"type": "none"}):
    reply = client.messages.create(
        model=model, max_tokens=128, extra_body=greedy, messages=ask, tools=tools, tool_choice=choice)
    uses = [(b.name, b.input) for b in reply.content if b.type == "tool_use"]
    print("tool", choice["type"], uses or repr(reply.content[0].text[:60]), reply.stop_reason)
    if choice["type"] in ("any", "tool"):
        assert uses and reply.stop_reason == "tool_use" and set(uses[0][1]) == {"city", "unit"}
    if choice["type"] == "none":
        assert not uses

with client.messages.stream(
        model=model, max_tokens=128, extra_body=greedy, messages=ask, tools=tools,
        tool_choice={"type": "tool", "name": "get_weather"}) as stream:
    use = stream.get_final_message().content[0]
print("streamed tool", use.name, use.input)
follow = ask + [
    {"role": "assistant", "content": [{"type": "tool_use", "id": use.id, "name": use.name, "input": use.input}]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "It is 21 degrees."}]}]},
]
reply = client.messages.create(
    model=model, max_tokens=48, extra_body=greedy, system="Answer in one sentence.", messages=follow, tools=tools,
    tool_choice={"type": "none"})
print("after the tool", repr(reply.content[0].text))

for call, kind in [
    (lambda: client.messages.create(model="no-such-model", max_tokens=4, messages=hello), anthropic.NotFoundError),
    (lambda: client.messages.create(model=model, max_tokens=4, messages=[]), anthropic.BadRequestError),
]:
    try:
        call()
        raise SystemExit("no error came")
    except kind as error:
        print("error", error.status_code, error.body["error"]["type"], error.body["error"]["message"][:60])
