"""Makes conditions.json: expressions of CEL with what cel-python (celpy, Apache-2.0) makes of them.

    pip install cel-python && python make_conditions.py > conditions.json
"""
import json
import celpy

CONTEXT = {
    "x": ("int", 7), "y": ("int", -3), "u": ("uint", 5), "d": ("double", 2.5), "s": ("string", "Strata ä/ok"),
    "t": ("bool", True), "l": ("list<int>", [1, 2, 3, 4]), "names": ("list<string>", ["ann", "bob"]),
    "m": ("map<int>", {"a": 1, "b": 2}), "now": ("timestamp", "2026-02-28T23:30:15Z"),
    "then": ("timestamp", "2024-02-29T06:00:00+02:00"), "long": ("duration", "5400s"),
}
EXPRESSIONS = """
x < 100
x + y == 4
x - y * 2 == 13
-x % 4 == -3
x / 2 == 3 && y / 2 == -1
(x + 1) * 2 == 16
x > 3 ? t : false
u + 2u == 7u
u - 6u == 0u
d * 2.0 == 5.0
d < 3.0 || x / 0 == 1
x / 0 == 1 || d < 3.0
x / 0 == 1 && d > 3.0
x / 0 == 1
x % 0 == 1
!t || x == 7
s.startsWith("Stra") && s.endsWith("ok") && s.contains("ä")
s.size() == 11
size(l) == 4 && size(m) == 2 && size("äö") == 2
s.matches("^Str[a-z]+ .*/ok$")
s.matches("[0-9]")
"ab12".matches("^[a-z]{2}\\\\d+$")
"a+b" + 'c' == "a+bc"
"tab\\tquote\\"" == 'tab\\tquote"'
r"raw\\n" == "raw\\\\n"
"\\u00e4" == "ä"
3 in l && !(9 in l)
"bob" in names
"a" in m && !("z" in m)
l[0] == 1 && l[3] == 4
l[9] == 1
m["b"] == 2 && m.a == 1
m["z"] == 1
has(m.a) && !has(m.z)
l.all(i, i > 0)
l.all(i, i > 1)
l.exists(i, i == 3)
l.exists(i, i == 30)
l.exists_one(i, i > 3)
l.exists_one(i, i > 2)
l.filter(i, i % 2 == 0) == [2, 4]
l.map(i, i * i) == [1, 4, 9, 16]
m.all(k, m[k] > 0)
l.all(i, l.exists(j, j >= i))
l.exists(i, 10 / (i - 1) == 5)
[1, 2] + [3] == [1, 2, 3]
{"a": 1, "b": 2} == m
[1, 2] == [2, 1]
now > then
now - then > duration("8000h")
then + duration("24h") == timestamp("2024-03-01T04:00:00Z")
now - long == timestamp("2026-02-28T22:00:15Z")
long == duration("1h30m")
long.getMinutes() == 90 && long.getHours() == 1 && long.getSeconds() == 5400
now.getFullYear() == 2026 && now.getMonth() == 1 && now.getDate() == 28 && now.getDayOfMonth() == 27
now.getHours() == 23 && now.getMinutes() == 30 && now.getSeconds() == 15
now.getDayOfWeek() == 6
now.getDayOfYear() == 58
now.getHours("+02:00") == 1 && now.getDate("+02:00") == 1
now.getHours("Europe/Berlin") == 0
then.getHours() == 4
int("12") == 12 && int(2.9) == 2 && int(-2.9) == -2 && int(u) == 5
uint(x) == 7u && double("1.5") == 1.5 && double(x) == 7.0
string(x) == "7"
int("twelve") == 1
uint(y) == 1u
9223372036854775807 + 1 > 0
-9223372036854775808 < 0
0x1F == 31
1e3 == 1000.0
"b" > "a" && "Z" < "a"
true && false || true
false || true && true
1 + 2 * 3 == 7
!(x == 7)
x == 7 == true
null == null
"x" == null
t ? x == 7 : x / 0 == 1
missing == 1 || t
missing == 1 && !t
missing == 1
""".strip().splitlines()

TYPES = {
    "int": celpy.celtypes.IntType, "uint": celpy.celtypes.UintType, "double": celpy.celtypes.DoubleType,
    "string": celpy.celtypes.StringType, "bool": celpy.celtypes.BoolType,
    "timestamp": celpy.celtypes.TimestampType, "duration": celpy.celtypes.DurationType,
}


def typed(kind, value):
    if kind.startswith("list<"):
        return celpy.celtypes.ListType([typed(kind[5:-1], v) for v in value])
    if kind.startswith("map<"):
        return celpy.celtypes.MapType({typed("string", k): typed(kind[4:-1], v) for k, v in value.items()})
    return TYPES[kind](value)


environment = celpy.Environment()
values = {name: typed(kind, value) for name, (kind, value) in CONTEXT.items()}
cases = []
for expression in EXPRESSIONS:
    try:
        result = environment.program(environment.compile(expression)).evaluate(dict(values))
        result = bool(result)
    except celpy.CELEvalError:
        result = None
    cases.append({"expression": expression, "result": result})
print(json.dumps({"parameters": {n: k for n, (k, _) in CONTEXT.items()}, "context": {n: v for n, (_, v) in CONTEXT.items()},
                  "cases": cases}, indent=1, ensure_ascii=False))
