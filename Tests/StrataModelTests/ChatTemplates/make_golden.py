"""Records what jinja2 under the settings of Hugging Face transformers makes of chat templates and of snippets.

    python make_golden.py DATA_FOLDER OUT_FOLDER [--full FOLDER]

Writes chat-templates.json (per template and case: FNV-1a 64 and byte count of the output, or the error; the templates
themselves are not copied) and jinja-snippets.json (snippets of ours with their whole output). --full also keeps each
output as a file, to look at when a test fails.
Made with: Python 3.11, jinja2 3.1.6, transformers from the project's oracle environment.
"""

import datetime
import json
import pathlib
import sys

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

NOW = datetime.datetime(2026, 7, 26, 12, 34, 56)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather <now> & \"later\" in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name of the city, e.g. Zürich"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "minimum": 1},
                "exact": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city"],
        },
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search documents.\nReturns passages.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for"},
                "filter": {
                    "type": "object",
                    "description": "Restrict the search",
                    "properties": {
                        "year": {"type": ["integer", "null"], "description": "Year"},
                        "authors": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
                    },
                    "required": ["year"],
                },
                "score": {"type": "number", "default": 0.5},
            },
            "required": ["query", "filter"],
        },
    },
}
NOARGS = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}


def call(name, arguments, id="call_1"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def tool(text, id="call_1", **more):
    return {"role": "tool", "tool_call_id": id, "content": text, **more}


CASES = {
    "one_user": dict(messages=[user("Hello")], add_generation_prompt=True),
    "one_user_closed": dict(messages=[user("Hello")]),
    "system_user": dict(messages=[system("You are terse."), user("Hi")], add_generation_prompt=True),
    "turns": dict(
        messages=[system("Be kind."), user("2+2?"), assistant("4"), user("And 3+3?")], add_generation_prompt=True),
    "turns_closed": dict(messages=[user("2+2?"), assistant("4"), user("And 3+3?"), assistant("6")]),
    "spaces_and_unicode": dict(
        messages=[system("  padded \n"), user("\n naïve 日本語 😀 \"quotes\" 'x' <tag> & \t\\ \u00a0")],
        add_generation_prompt=True),
    "empty_texts": dict(messages=[system(""), user(""), assistant(""), user("x")], add_generation_prompt=True),
    "no_messages": dict(messages=[], add_generation_prompt=True),
    "only_system": dict(messages=[system("S")], add_generation_prompt=True),
    "two_users": dict(messages=[user("a"), user("b")], add_generation_prompt=True),
    "starts_with_assistant": dict(messages=[assistant("a"), user("b")], add_generation_prompt=True),
    "late_system": dict(messages=[user("a"), system("b"), user("c")], add_generation_prompt=True),
    "unknown_role": dict(messages=[{"role": "martian", "content": "x"}], add_generation_prompt=True),
    "developer": dict(messages=[{"role": "developer", "content": "D"}, user("x")], add_generation_prompt=True),
    "content_null": dict(messages=[user("x"), assistant(None), user("y")], add_generation_prompt=True),
    "content_missing": dict(messages=[{"role": "user"}], add_generation_prompt=True),
    "content_parts": dict(
        messages=[{"role": "user", "content": [{"type": "text", "text": "part one"}, {"type": "text", "text": "two"}]}],
        add_generation_prompt=True),
    "content_image": dict(
        messages=[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}],
        add_generation_prompt=True),
    "tools_offered": dict(messages=[user("Weather?")], tools=[WEATHER], add_generation_prompt=True),
    "tools_offered_system": dict(
        messages=[system("Use tools."), user("Weather?")], tools=[WEATHER, SEARCH, NOARGS], add_generation_prompt=True),
    "tool_call": dict(
        messages=[user("Weather?"), assistant("", tool_calls=[call("get_weather", {"city": "Zürich", "days": 2, "exact": True})])],
        tools=[WEATHER]),
    "tool_call_text": dict(
        messages=[user("Weather?"), assistant("Let me look.", tool_calls=[call("get_weather", {"city": "Bern", "unit": None, "tags": ["a", "b"], "score": 1.5})])],
        tools=[WEATHER]),
    "tool_call_null_content": dict(
        messages=[user("Weather?"), assistant(None, tool_calls=[call("get_weather", {"city": "Bern"})]), tool("{\"t\": 21}", name="get_weather")],
        tools=[WEATHER], add_generation_prompt=True),
    "tool_call_string_arguments": dict(
        messages=[user("Weather?"), assistant("", tool_calls=[call("get_weather", "{\"city\": \"Bern\"}")]), tool("21", name="get_weather")],
        tools=[WEATHER], add_generation_prompt=True),
    "tool_result": dict(
        messages=[user("Weather?"), assistant("", tool_calls=[call("get_weather", {"city": "Bern"})]), tool("21 °C"), assistant("It is 21 °C."), user("Thanks")],
        tools=[WEATHER], add_generation_prompt=True),
    "tool_result_named": dict(
        messages=[system("S"), user("Weather?"), assistant("", tool_calls=[call("get_weather", {"city": "Bern"}, "abcdefghi")]), tool("21", "abcdefghi", name="get_weather")],
        tools=[WEATHER, NOARGS], add_generation_prompt=True),
    "two_calls": dict(
        messages=[
            user("Both?"),
            assistant("", tool_calls=[call("get_weather", {"city": "A"}, "call_a12345"), call("search", {"query": "B", "filter": {"year": 1999}}, "call_b12345")]),
            tool("r1", "call_a12345", name="get_weather"), tool("r2", "call_b12345", name="search"), assistant("Done."), user("ok")],
        tools=[WEATHER, SEARCH], add_generation_prompt=True),
    "results_out_of_order": dict(
        messages=[
            user("Both?"),
            assistant("", tool_calls=[call("get_weather", {"city": "A"}, "1"), call("search", {"query": "B"}, "2")]),
            tool("r2", "2"), tool("r1", "1")],
        tools=[WEATHER, SEARCH], add_generation_prompt=True),
    "two_rounds": dict(
        messages=[
            user("q1"), assistant("", tool_calls=[call("search", {"query": "x"}, "call_00001")]), tool("r", "call_00001", name="search"),
            assistant("", tool_calls=[call("search", {"query": "y"}, "call_00002")]), tool("r2", "call_00002", name="search"),
            assistant("final"), user("q2")],
        tools=[SEARCH], add_generation_prompt=True),
    "functionary_style_call": dict(
        messages=[user("x"), assistant("", tool_calls=[call("functions.search:0", {"query": "x"}, "functions.search:0")]), tool("r", "functions.search:0")],
        tools=[SEARCH], add_generation_prompt=True),
    "reasoning": dict(
        messages=[user("Think"), assistant("Answer", reasoning_content="Because.\n\nSo.")]),
    "reasoning_then_turn": dict(
        messages=[user("Think"), assistant("Answer", reasoning_content="Because."), user("More")], add_generation_prompt=True),
    "reasoning_inline": dict(
        messages=[user("Think"), assistant("<think>\nhm\n</think>\n\nAnswer"), user("More"), assistant("<think>a</think>b")]),
    "reasoning_tools": dict(
        messages=[user("Q"), assistant("", reasoning_content="I need it.", thinking="I need it.", reasoning="I need it.", tool_calls=[call("search", {"query": "x"})]), tool("r", name="search")],
        tools=[SEARCH], add_generation_prompt=True),
    "thinking_on": dict(messages=[user("Q")], add_generation_prompt=True, enable_thinking=True, thinking=True, reasoning_effort="high"),
    "thinking_off": dict(messages=[user("Q"), assistant("A"), user("R")], add_generation_prompt=True, enable_thinking=False, thinking=False, reasoning_effort="low"),
    "documents": dict(
        messages=[user("Q")], documents=[{"title": "T", "text": "Body one"}, {"title": "U", "text": "Body two", "doc_id": 7}], add_generation_prompt=True),
    "custom_tools": dict(messages=[system("S"), user("Q")], custom_tools=[WEATHER], builtin_tools=["code_interpreter", "browser", "python"], tools_in_user_message=False, date_string="1 Jan 2030", add_generation_prompt=True),
    "builtin_call": dict(
        messages=[user("Q"), assistant("", tool_calls=[call("browser", {"query": "x"})]), {"role": "ipython", "content": "r"}],
        builtin_tools=["browser"], tools=[WEATHER], add_generation_prompt=True),
    "tool_content_object": dict(
        messages=[user("Q"), assistant("", tool_calls=[call("search", {"query": "x"})]), {"role": "tool", "tool_call_id": "call_1", "name": "search", "content": {"a": [1, 2.0, None], "b": {"c": "é"}}}],
        tools=[SEARCH], add_generation_prompt=True),
    "tool_choice": dict(
        messages=[user("Q")], tools=[SEARCH], tool_choice="required", response_format={"type": "json_schema", "json_schema": {"schema": {"type": "object", "b": 1, "a": 2}}}, add_generation_prompt=True),
    "safety": dict(messages=[system("S"), user("Q")], safety_mode="NONE", grounding="enabled", json_mode=True, json_schema={"type": "object"}, add_generation_prompt=True),
    "assistant_prefix": dict(messages=[user("Q"), assistant("Well", prefix=True)], continue_final_message=True),
    "many_turns": dict(
        messages=[m for i in range(12) for m in (user(f"question {i}"), assistant(f"answer {i}"))] + [user("last")], add_generation_prompt=True),
}

SNIPPETS = """
{{ 1/2 }} {{4//2}} {{7%3}} {{-7//2}} {{-7%3}} {{7%-3}} {{2**10}} {{2**-1}} {{1e20}} {{1.0}} {{1e16}} {{123456789.123}} {{0.1+0.2}} {{1e-5}} {{0.0001}}
{{ [1,'a',none,true,1.5,{'a':(1,)}] }} {{'a\\n\\'b'}} {{['a\\n\\'b"', 'it\\'s', '\\x01\\u00e9\\u200b']}}
{{ x.y }}
{{ x }}|{{ d.y }}
{{ d.y.z }}
{{ 1 + 'b' }}
{{ none + 'b' }}
{{ 'b' + none }}
{{ 'b' ~ none ~ 1.0 ~ true ~ x }}
{{ x + 'b' }}
{{ 'b' + d.y }}
{% for a in y %}{{a}}{% else %}empty{% endfor %}
{{ y|length }}
{{ none|length }}
{{ 5|length }}
{% for x in none %}{% endfor %}
{% for x in 3 %}{% endfor %}
{{ 'abc'|tojson }} {{ '<b>&\\'é😀'|tojson }}{{ {'a':[1,2],'b':{}}|tojson(indent=2) }}{{ []|tojson(indent=2) }}
{{ 'é😀\\x7f'|tojson(ensure_ascii=true) }}{{ {'b':1,'a':2}|tojson(sort_keys=true) }}{{ [1,{'a':2}]|tojson(separators=(',',':')) }}{{ [1]|tojson(indent='\\t') }}
{{ [1.0, 1e100, 1.5e-7, true, none, 12345678901234567890]|tojson }}
{{ {1:2, 'a':{}, none: 3, true: 4, 1.5: 5}|tojson }}
{{ x|tojson }}
{{ 'a' is sequence }}{{ x is sequence }} {{ x is mapping}} {{ x is none}} {{ x is iterable}} {{1 is iterable}}{{ 1 is sequence}}{{ d is sequence }}{{ d.items() is sequence }}
{{ 'abc'[5] }}|{{ 'abc'[-1] }}|{{ [1][5] }}|{{ {}['a'] }}|{{ '日本語'[1] }}|{{ 'abc'[-4] }}
{{ {'a':1}.a.b }}
{{ {'items':1}['items'] }}|{{ {'get':5}.get('get') }}
{{ {}.foo() }}
{{ foo() }}
{{ 'x'.foo() }}
{{ 'x'|nofilter }}
{% if false %}{{ 'x'|nofilter }}{% endif %}ok
{{ 1 is notest }}
{{ [1,2].append(3) }}
{{ {}.update({}) }}
{{ {'a':1}.pop('a') }}
{{ ''.__class__ }}
{{ 1 < 'a' }}
{{ 1 == 1.0 }} {{ true == 1 }} {{ 1 in [true] }} {{ 'a' in 'abc' }} {{ 'a' in d }} {{ 'k' in d }} {{ 2 in (1,2) }} {{ 'x' not in 'abc' }}
{{ 1 in 'abc' }}
{{ 'a' in none }}
{{ 'a' in x }}
{% macro m(a,b=2) %}{{a}}{{b}}{{varargs}}{{kwargs}}{% endmacro %}{{ m(1,2,3,k=1) }}
{% macro m(a,b=2) %}{{a}}{{b}}{% endmacro %}{{ m(1,2,3) }}
{% macro m(a,b=2) %}{{a}}{{b}}{% endmacro %}{{ m(1,k=1) }}
{% macro m(a,b=a) %}{{a}}{{b}}{% endmacro %}{{m()}}|{{m(3)}}|{{m(b=1,a=2)}}
{% macro m() %}[{{ caller('x') }}]{% endmacro %}{% call(v) m() %}body {{ v }}{% endcall %}
{% macro f(n) %}{% if n > 0 %}{{ n }},{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f() %}{{ z }}{% endmacro %}{% set z = 3 %}{{ f() }}
{{ range(3) }} {{ range(3)|list }} {{ range(5,1,-2)|list }} {{ {'a':1}.items() }} {{ {'a':1}.keys()|list }} {{ {'a':1}|items|list }} {{ range(3)|last }}
{{ 'a'|string|upper ~ 1 }} {{ 1|string + 'a' }} {{ 'a,b'.split(',') }} {{ 'abc' * 2 }} {{ [1]*2 }} {{ 2 * 'x' }}
{{ 'x' % 2 }}
{{ '%s-%d' % ('a', 2) }} {{ '%s'|format('b') }} {{ '%5.2f|%-4s|%04d|%x' % (3.14159, 'a', 7, 255) }} {{ '%%' % () }}
{{ 1|safe + '<' }} {{ '<' + ('>'|safe) }} {{ '<'|e }} {{ ('<'|safe)|e }} {{ '<'|escape ~ '<' }}
{{ true and 'x' or 'y' }} {{ 0 or '' }} {{ not x }} {{ x and 1 }}|{{ x or 1}}
{{ raise_exception('a "quoted" reason') }}
{{ {} | first }}|{{ []|first }}|{{[]|last}}|{{ [1,2]|last }}|{{ 'abc'|first }}
{{ 3.0|int }} {{'3.7'|int}} {{'x'|int(5)}} {{'2'|float}} {{ 2.5|round }} {{ 3.567|round(1)}} {{ 7|round }} {{ 2.1|round(0,'ceil') }} {{ 'ff'|int(0,16) }} {{ ' 42 '|int }} {{ true|int }}
{{ messages[0].x is defined }}
{{ messages[1:][0] }}|
{% set ns = namespace(a=1) %}{{ ns.x }}|{{ ns.x is defined }}|{{ ns.a }}|{{ ns['a'] }}{% set ns.b = [1] %}{{ ns.b }}
{% set x.y = 1 %}
{% set x = {} %}{% set x.y = 1 %}
{{ '\\u00e9\\x41\\t\\q\\101' }} {{ 'a' 'b' }} {{ 1_000 }} {{ 0x1f }} {{ 'a\\\\b' }}
{{ [1,2,3][::-1] }} {{ 'abc'[1:] }} {{'abc'[:-1]}} {{ [1,2,3,4][1:3] }} {{ 'abcdef'[::2] }} {{ (1,2,3)[-2:] }} {{ [1,2,3][5:] }} {{ [1,2,3][none:2] }}
{{ 'a' if false }}|{{ ('a' if false) is defined }}|{{ 1 if d else 2 }}
{{ ('a' if false) + 'b' }}
{{ d.a.b is defined }}
{% for i in [1,2,3] if i > 1 %}{{ loop.index }}{{loop.length}}{{ loop.revindex}} {{loop.previtem}} {{loop.nextitem}} {{ loop.cycle('a','b') }}{{ loop.changed(i) }}{{ loop.last }}{% else %}e{% endfor %}
{% for k, v in {'a':1,'b':2}.items() %}{{k}}{{v}}{{ loop.first }}{% endfor %}{% for k in {'a':1} %}{{k}}{% endfor %}
{% for a,b in [1] %}{% endfor %}
{% for a,b in [[1,2,3]] %}{% endfor %}
{% for a,b in [[1]] %}{% endfor %}
{% set a, b = 1, 2 %}{{a}}{{b}}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}
{% for i in [1] %}{% set q = 2 %}{% endfor %}{{ q }}|{% if true %}{% set q = 3 %}{% endif %}{{ q }}
{% set q = 1 %}{% for i in [1,2] %}{{ q }}{% set q = q + 1 %}{{ q }}{% endfor %}{{ q }}
{% set q %}a{{1}} {% endset %}[{{q}}]{% set r | upper | trim %} a{{1}} {% endset %}[{{r}}]
{{ -1 ** 2 }} {{ 2 ** 3 ** 2 }} {{ not true == false }} {{ 1 ~ 3 * 4 }} {{ 1 < 2 < 3 }} {{ 3 > 2 == 2 }} {{ -3|abs }} {{ 1 - -1 }} {{ not 1 in [2] }}
{{ 'abc'|reverse }} {{ [3,1,2]|sort }} {{ [1,2]|sum }} {{ ['a','A','b']|unique|list }} {{ 'hello wORLD-foo (bar'|title }} {{ 'hELLO'|capitalize }} {{ 'a b'|wordcount }} {{ [1,2,3]|batch(2)|list }}
{{ ['b','A','c']|sort }} {{ ['b','A','c']|sort(case_sensitive=true) }} {{ [1,3,2]|sort(reverse=true) }} {{ [{'a':2,'b':1},{'a':1,'b':2}]|sort(attribute='a') }} {{ [3,1]|min }}{{ [3,1]|max }}
{{ {'b':1,'A':2,'c':0}|dictsort }} {{ {'b':1,'a':2}|dictsort(by='value') }} {{ {'b':1,'a':2}|dictsort(reverse=true) }}
{{ [1,'a']|sort }}
{{ [{'role':'u','n':1},{'role':'v','n':2}]|selectattr('role','equalto','u')|map(attribute='n')|list }} {{ [1,2,3]|select('odd')|list }} {{ [1,0,2]|select|list }} {{ [1,2,3]|reject('in',[1,2])|list }} {{ [{'a':1},{}]|selectattr('a')|list }} {{ [{'a':1},{}]|rejectattr('a')|list }}
{{ ['a','b']|map('upper')|join(', ') }} {{ [1,2]|join }} {{ [{'a':1},{'a':2}]|join('-', attribute='a') }} {{ ['a']|map('replace','a','b')|list }} {{ [{'a':1},{}]|map(attribute='a', default=9)|list }}
{{ [1,2]|map('upper')|length }}
{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent(2, blank=true) }}|{{ 'a\\nb'|indent('> ') }}|{{ 'a\\n'|indent }}
{{ ' a b '|trim }}|{{ 'xxaxx'|trim('x') }}|{{ 'aXbX'|replace('X','-') }}|{{ 'aXbX'|replace('X','-',1) }}|{{ 'abc'|replace('','.') }}
{{ x|default('d') }} {{ ''|default('d') }} {{ ''|default('d', true) }} {{ none|default('d') }} {{ x|d }}|
{{ ' a '.strip() }}|{{ 'xax'.strip('x') }}|{{ ' a '.lstrip() }}|{{ 'aab'.rstrip('b') }}|{{ '\\n\\t a\\u00a0\\u3000'.strip() }}|
{{ 'a b  c'.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ ' a b c '.split(none, 1) }} {{ 'a\\nb\\r\\nc'.splitlines() }} {{ 'a-b-c'.partition('-') }}
{{ 'a'.split('') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x','c')) }} {{ 'abc'.find('c') }} {{ 'abc'.find('x') }} {{ 'abcabc'.rfind('b') }} {{ 'aaa'.count('a') }} {{ 'ab'.upper() }} {{ 'hello world'.title() }} {{ 'aBc'.swapcase() }} {{ 'a'.join(['1','2']) }} {{ '7'.zfill(3) }} {{ 'ab'.center(5,'*') }} {{ 'x'.ljust(3) }}| {{ 'x'.rjust(3) }}
{{ 'ab1'.isalnum() }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ 'AB'.isupper() }} {{ ' '.isspace() }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'abc'.replace('b','') }} {{ '{} {1} {n}'.format('a','b',n=1) if false else '{}-{}'.format(1,'b') }}
{{ 'abc'.index('z') }}
{{ ','.join([1]) }}
{{ d.get('nope') }} {{ d.get('nope', 3) }} {{ d.get('k') }} {{ d.keys()|list }} {{ d.values()|list }} {{ [1,2,1].count(1) }} {{ [1,2].index(2) }} {{ dict(a=1, b=2) }} {{ dict([('x',1)]) }}
{{ d.k }} {{ d['k'] }} {{ d["k"] is string }} {{ d.n is number }} {{ d.f is float }} {{ d.n is integer }} {{ d.t is boolean }} {{ d.t is number }} {{ d.t is integer }} {{ d.t is true }} {{ d.z is none }} {{ d.l is iterable }} {{ d.l is mapping }} {{ d is mapping }} {{ 3 is odd }} {{ 4 is even }} {{ 4 is divisibleby 2 }} {{ 1 is eq 1 }} {{ 1 is in [1] }} {{ 'a' is lower }} {{ 'A' is upper }} {{ m is callable }} {{ range is callable }}
{{ [1,2] + [3] }} {{ (1,) + (2,) }} {{ [1] == [1] }} {{ {'a':1} == {'a':1} }} {{ [1,2] < [1,3] }} {{ 'a' < 'b' }} {{ 'é' > 'z' }} {{ none == none }} {{ x == y }} {{ x == none }} {{ 1 != 2 }}
{{ [1] + 'a' }}
{{ [1] + (2,) }}
{{ {} + {} }}
{{ none < 1 }}
{{ x < 1 }}
{{ 1/0 }}
{{ -'a' }}
{{ [][{}] }}|{{ {}[[]] }}|
{{ {[]: 1} }}
{%- for i in range(3) -%} {{ i }} {%- if i == 1 %}{% break %}{% endif -%} {%- endfor -%} end
{% for i in range(5) %}{% if i is even %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% for i in [[1,[2,[3]]]] recursive %}{{ loop.depth }}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{% endif %}{% endfor %}
{% generation %}{% set v = 1 %}in{% endgeneration %}{{ v }}out
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}
{% filter upper %}abc{{ 1 }}{% endfilter %}
{% raw %}{{ not }} {% if %}{% endraw %}!
{#- comment -#} a {# another #} b
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %B %b %A %a %j %y %p %I %% %e') }}
{{ "nested 'quotes'" }}{{ 'with "double"' }}{{ "" }}
{{ namespace(a=1).a }}{{ namespace({'q': 2}).q }}
{% set ns = namespace(found=false) %}{% for i in [1,2,3] if not ns.found %}{{ i }}{% if i == 2 %}{% set ns.found = true %}{% endif %}{% endfor %}
{{ range(1000000) }}
{{ 'a' * 3 ~ 'b' }}{{ ('a','b')|join }}{{ (1,2)[0] }}{{ () }}{{ (1,) }}
{{ 1,2 }}{{ [1,2,] }}{{ {'a':1,} }}
{{ d.l[0] }}{{ d.l.0 }}{{ d['l'][-1] }}{{ d.l[1:]|length }}{{ (d.l|first).x }}
{{ loop }}|{{ loop is defined }}
{{ 'a' is string and 1 is number or false }}{{ 'x' if 1 is none else 'y' }}{{ not 'a' is string }}
{{ [x] }}{{ [none, true] }}{{ {'a': none}|string }}
{{ 'ß'|upper }}{{ 'İ'|lower|length }}{{ 'ŉ'|capitalize }}{{ 'ΑΣ'|lower }}
{{ [1,2,3]|slice(2)|list }}{{ 'abc'|list }}{{ {'a':1}|list }}{{ 'a b c'|truncate(3, true, '') }}{{ 'x'|center(5) }}|
{{ [{'a':1,'b':2},{'a':1,'b':3},{'a':2,'b':4}]|groupby('a') }}
{{ 10|float }}{{ '1e3'|float }}{{ 'nan?'|float }}{{ 1e400 }}{{ -0.0 }}{{ 5 // 2.0 }}{{ 5.5 % 2 }}
{{ d|length }}{{ d|string|length > 3 }}{{ (d|tojson) == (d|tojson) }}
{% if d.l %}yes{% elif d %}no{% else %}never{% endif %}
{% set a = 1 if d.k == 'v' else 0 %}{{ a }}{{ 'b' if a else 'c' if d else 'e' }}
{{ messages }}{{ bool }}
{%+ if true %}x{%+ endif %}
{% if true +%}
 x{% endif %}
  {% if true %}
 indented
  {% endif %}
 tail
{{ x.a }}
{% set s = 'abc' %}{% for c in s %}{{ c }}-{% endfor %}{{ s|length }}{{ s|last }}
{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ outer }}
{{ [[1,2],[3,4]]|map('first')|list }}{{ [[1,2],[3]]|map('length')|list }}{{ [1,2]|map('string')|join('+') }}
{{ caller }}|{{ m() }}
{{ 'abc'.foo }}|{{ 5 .x }}|{{ none.x }}
{{ d.l | selectattr('x', 'defined') | list | length }}
{{ 3 * 1.5 }} {{ 3.0 * 2 }} {{ 7 / 7 }} {{ 1e3 }} {{ 1.10 }} {{ 100000000000000000000.0 }} {{ 1e22 }} {{ 12345678.9e10 }}
""".strip("\n").split("\n")

MULTILINE = [
    "  {% if true %}\n    a\n  {% endif %}\nb\n",
    "{% for i in [1,2] %}\n  {{ i }}\n{% endfor %}\nend\n\n",
    "a\n  {#- c -#}  \nb",
    "a\n  {# c #}\nb",
    "x  {%- if true -%}  y  {%- endif -%}  z",
    "{% if true %}\n\n  x\n{% endif %}\n\ny",
    "{{ 'a' }}\n{{ 'b' -}}\n\n c",
    "\t {% set a = 1 %}\t\n{{ a }}",
    "a {% if true %}\nb{% endif %}",
    "{%- macro m(x) -%}\n  [{{ x }}]\n{%- endmacro -%}\n{{ m(1) }}\n{{ m(2) }}",
    "line1\r\nline2\r{{ 'x' }}\r\n",
    "{% raw %}\n  {{ raw }}\n{% endraw %}\nafter",
    "   {%+ if true %}x{% endif %}",
    "\u00a0{% if true %}x{% endif %}",
    "{{ {'a': {'b': 1}} }}{{ {'a':{}} }}",
    "{% set x = {\n 'a': 1,\n 'b': [1,\n2]\n} %}{{ x }}",
    "{{ 'multi\nline' }}",
    "{% if x %}",
    "{{ x",
    "{% endif %}",
    "{{ 1 + }}",
    "{% unknown %}",
    "{{ 'open }}",
    "{# open",
    "{{ (1 }}",
    "{{ ] }}",
    "{% for %}{% endfor %}",
    "{% for a in b %}{% endif %}",
    "{% break %}",
    "{{ a b }}",
    "{{ 1 is string is number }}",
    "{{ }}",
    "{% %}",
    "{% set 1 = 2 %}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{{ f(a=1, 2) }}",
]

CONTEXT = {
    "d": {"k": "v", "n": 3, "f": 2.5, "t": True, "z": None, "l": [{"x": 1}, {"y": 2}], "u": "é"},
    "messages": [],
}


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def kind(error):
    if isinstance(error, jinja2.exceptions.SecurityError):
        return "template_security"
    if isinstance(error, jinja2.exceptions.UndefinedError):
        return "template_undefined"
    if isinstance(error, jinja2.exceptions.TemplateAssertionError):
        return "template_runtime"
    if isinstance(error, (jinja2.exceptions.TemplateSyntaxError, SyntaxError)):
        return "template_syntax"
    if type(error) is jinja2.exceptions.TemplateError:
        return "template_raised"
    return "template_runtime"


def render(source, variables):
    try:
        template = _compile_jinja_template(source)
        template.globals["strftime_now"] = NOW.strftime
        return template.render(**variables), None
    except Exception as error:
        message = error.message if isinstance(error, jinja2.exceptions.TemplateError) else str(error)
        return None, {"code": kind(error), "message": message}


def main():
    data, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    full = pathlib.Path(sys.argv[4]) if len(sys.argv) > 4 else None
    made_with = f"jinja2 {jinja2.__version__}, transformers {transformers.__version__}, Python {sys.version.split()[0]}"
    results = {}
    for path in sorted((data / "models/chat-templates").glob("*.jinja")):
        source = path.read_text()
        results[path.name] = {}
        for name, case in CASES.items():
            output, error = render(source, {"bos_token": "<BOS>", "eos_token": "<EOS>", "add_generation_prompt": False, **case})
            if error:
                results[path.name][name] = {"error": error}
            else:
                bytes_ = output.encode()
                results[path.name][name] = {"fnv1a": fnv1a(bytes_), "bytes": len(bytes_)}
            if full:
                full.mkdir(exist_ok=True)
                (full / f"{path.name}.{name}.expected").write_text(output if error is None else f"ERROR {error}")
    golden = {"made_with": made_with, "now": NOW.isoformat(), "cases": CASES, "results": results}
    (out / "chat-templates.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    snippets = []
    for source in SNIPPETS + MULTILINE:
        output, error = render(source, CONTEXT)
        snippets.append({"source": source, **({"error": error} if error else {"output": output})})
    golden = {"made_with": made_with, "context": CONTEXT, "snippets": snippets}
    (out / "jinja-snippets.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    errors = sum("error" in r for t in results.values() for r in t.values())
    print(f"{made_with}: {len(results)} templates x {len(CASES)} cases ({errors} errors), {len(snippets)} snippets")


main()
