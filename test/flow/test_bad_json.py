# SPDX-License-Identifier: Apache-2.0
"""Bodies that are no task. Each is refused with the right status and says where; none is a 500, and none writes."""
import json

import pytest

from database import counted

DEEP = 33


def nested(depth, inner=b"1"):
    """depth levels, the object itself among them."""
    return b'{"title":"t","x":' + b"[" * (depth - 1) + inner + b"]" * (depth - 1) + b"}"


MALFORMED = {
    "empty": b" ",
    "only white space": b" \t\r\n ",
    "a word": b"title",
    "an array": b'[{"title":"t"}]',
    "a string": b'"title"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "open brace": b"{",
    "closed brace": b"}",
    "no end": b'{"title":"t"',
    "no end of string": b'{"title":"t}',
    "no value": b'{"title":}',
    "no colon": b'{"title" "t"}',
    "no comma": b'{"title":"t" "x":1}',
    "trailing comma": b'{"title":"t",}',
    "leading comma": b'{,"title":"t"}',
    "two commas": b'{"title":"t",,"x":1}',
    "array with trailing comma": b'{"title":"t","x":[1,]}',
    "unquoted key": b'{title:"t"}',
    "single quotes": b"{'title':'t'}",
    "number as key": b'{1:"t"}',
    "comment": b'{"title":"t"/* */}',
    "line comment": b'{"title":"t"}//x',
    "trailing bytes": b'{"title":"t"}x',
    "trailing brace": b'{"title":"t"}}',
    "two documents": b'{"title":"t"}{"title":"u"}',
    "two documents in two lines": b'{"title":"t"}\n{"title":"u"}',
    "trailing NUL": b'{"title":"t"}\0',
    "leading BOM": b'\xef\xbb\xbf{"title":"t"}',
    "UTF-16": '{"title":"t"}'.encode("utf-16"),
    "UTF-32": '{"title":"t"}'.encode("utf-32-le"),
    "Latin-1": '{"title":"gr\xfc\xdfe"}'.encode("latin-1"),
    "lone continuation byte": b'{"title":"a\x80b"}',
    "cut 2-byte character": b'{"title":"a\xc3"}',
    "cut 3-byte character": b'{"title":"a\xe2\x82"}',
    "cut 4-byte character": b'{"title":"a\xf0\x9f\x98"}',
    "overlong slash": b'{"title":"a\xc0\xaf"}',
    "overlong NUL": b'{"title":"a\xc0\x80"}',
    "overlong 3 bytes": b'{"title":"a\xe0\x80\xaf"}',
    "overlong 4 bytes": b'{"title":"a\xf0\x80\x80\xaf"}',
    "surrogate in UTF-8": b'{"title":"a\xed\xa0\x80"}',
    "CESU-8 pair": b'{"title":"a\xed\xa0\xbd\xed\xb8\x80"}',
    "beyond U+10FFFF": b'{"title":"a\xf4\x90\x80\x80"}',
    "byte FF": b'{"title":"a\xff"}',
    "byte FE": b'{"title":"a\xfe"}',
    "bad UTF-8 in a key": b'{"title":"t","\xff":1}',
    "bad UTF-8 in what is ignored": b'{"title":"t","x":{"y":["\xc3("]}}',
    "lone high surrogate": b'{"title":"\\ud800"}',
    "lone high surrogate then text": b'{"title":"\\ud83dabc"}',
    "lone low surrogate": b'{"title":"\\ude00"}',
    "surrogates in the wrong order": b'{"title":"\\ude00\\ud83d"}',
    "two high surrogates": b'{"title":"\\ud83d\\ud83d"}',
    "high surrogate then another escape": b'{"title":"\\ud83d\\n"}',
    "lone surrogate in a key": b'{"title":"t","\\ud800":1}',
    "lone surrogate in what is ignored": b'{"title":"t","x":["\\udfff"]}',
    "escaped NUL": b'{"title":"a\\u0000b"}',
    "escaped NUL in the description": b'{"title":"t","description":"\\u0000"}',
    "escaped NUL in a key": b'{"title":"t","a\\u0000":1}',
    "escaped NUL in what is ignored": b'{"title":"t","x":"\\u0000"}',
    "raw NUL in a string": b'{"title":"a\0b"}',
    "raw NUL between tokens": b'{"title":\0"t"}',
    "raw newline in a string": b'{"title":"a\nb"}',
    "raw tab in a string": b'{"title":"a\tb"}',
    "raw control byte in a string": b'{"title":"a\x01b"}',
    "escape x": b'{"title":"\\x41"}',
    "escape 0": b'{"title":"\\0"}',
    "escape quote mark": b'{"title":"\\\'"}',
    "escape of nothing": b'{"title":"\\',
    "short u escape": b'{"title":"\\u12"}',
    "u escape with a letter": b'{"title":"\\u12G4"}',
    "u escape with a sign": b'{"title":"\\u+123"}',
    "vertical tab as space": b'{"title":\x0b"t"}',
    "form feed as space": b'{"title":\x0c"t"}',
    "no-break space as space": b'{"title":\xc2\xa0"t"}',
    "NaN": b'{"title":"t","x":NaN}',
    "Infinity": b'{"title":"t","x":Infinity}',
    "-Infinity": b'{"title":"t","x":-Infinity}',
    "plus sign": b'{"title":"t","x":+1}',
    "leading zero": b'{"title":"t","x":01}',
    "leading point": b'{"title":"t","x":.5}',
    "trailing point": b'{"title":"t","x":5.}',
    "bare exponent": b'{"title":"t","x":1e}',
    "hexadecimal": b'{"title":"t","x":0x10}',
    "only a minus": b'{"title":"t","x":-}',
    "True": b'{"title":"t","x":True}',
    "nul": b'{"title":"t","x":nul}',
    "nulll": b'{"title":"t","x":nulll}',
    "undefined": b'{"title":"t","x":undefined}',
    "33 levels": nested(DEEP),
    "33 levels of objects": b'{"title":"t","x":' + b'{"a":' * 32 + b"1" + b"}" * 32 + b"}",
    "1000 levels": nested(1000),
    "5000 levels that do not close": b'{"title":"t","x":' + b"[" * 5000,
    "brackets that do not match": b'{"title":"t","x":[1}]',
    "same key twice": b'{"title":"t","title":"u"}',
    "same key twice, once escaped": b'{"title":"t","t\\u0069tle":"u"}',
    "same unknown key twice": b'{"title":"t","x":1,"x":1}',
    "same key twice further in": b'{"title":"t","x":{"y":1,"y":2}}',
    "same key twice in a list": b'{"title":"t","x":[{"y":1,"y":2}]}',
    "1e400": b'{"title":"t","x":1e400}',
    "-1e400": b'{"title":"t","x":-1e400}',
    "a list of arrays with 1e999 in it": b'{"title":"t","x":[[1e999]]}',
}

WRONG = {
    "no title": (b"{}", "title"),
    "title null": (b'{"title":null}', "title"),
    "title empty": (b'{"title":""}', "title"),
    "title of spaces": (b'{"title":" \\t\\n "}', "title"),
    "title number": (b'{"title":1}', "title"),
    "title true": (b'{"title":true}', "title"),
    "title list": (b'{"title":["t"]}', "title"),
    "title object": (b'{"title":{"t":1}}', "title"),
    "title 201 letters": (b'{"title":"' + b"x" * 201 + b'"}', "title"),
    "title 201 characters": ('{"title":"' + "ü" * 201 + '"}', "title"),
    "description 1001 letters": (b'{"title":"t","description":"' + b"x" * 1001 + b'"}', "description"),
    "description number": (b'{"title":"t","description":0}', "description"),
    "description list": (b'{"title":"t","description":[]}', "description"),
    "priority unknown": (b'{"title":"t","priority":"asap"}', "priority"),
    "priority in capitals": (b'{"title":"t","priority":"HIGH"}', "priority"),
    "priority empty": (b'{"title":"t","priority":""}', "priority"),
    "priority number": (b'{"title":"t","priority":3}', "priority"),
    "completed string": (b'{"title":"t","completed":"true"}', "completed"),
    "completed 1": (b'{"title":"t","completed":1}', "completed"),
    "completed 1e400": (b'{"title":"t","completed":1e300}', "completed"),
    "completed list": (b'{"title":"t","completed":[true]}', "completed"),
    "is_completed string": (b'{"title":"t","is_completed":"no"}', "is_completed"),
    "status unknown": (b'{"title":"t","status":"done"}', "status"),
    "status bool": (b'{"title":"t","status":true}', "status"),
    "completed and status disagree": (b'{"title":"t","completed":true,"status":"pending"}', "status"),
    "completed and is_completed disagree": (b'{"title":"t","completed":true,"is_completed":false}', "is_completed"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(api, database, name):
    """SE11: 400 for what is no JSON, or no JSON that two programs would read alike; nothing written."""
    answer = api.request("POST", api.tasks, MALFORMED[name], {"Idempotency-Key": "k"})
    assert answer.status in (400, 422) if "1e" in name else answer.status == 400, answer
    assert database.counts(api.user) == counted()
    assert api.list() == [], "the connection, or the next one, still works"


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values(api, database, name):
    """SE11: 422 with the place; nothing written."""
    body, field = WRONG[name]
    answer = api.request("POST", api.tasks, body if isinstance(body, bytes) else body.encode(), {"Idempotency-Key": "k"})
    assert answer.status == 422, answer
    assert answer.json["detail"][0]["loc"] == ["body", field]
    assert database.counts(api.user) == counted()


@pytest.mark.parametrize("name", [n for n in MALFORMED if n not in ("empty", "only white space")])
def test_malformed_for_complete(api, database, name):
    """SE11: the other route with a body; the task stays as it is."""
    task = api.create("t")
    before = database.counts(api.user)
    answer = api.complete(task, MALFORMED[name])
    assert answer.status in (400, 422) if "1e" in name else answer.status == 400, answer
    assert database.counts(api.user) == before
    assert api.read(task) == task


@pytest.mark.parametrize("body", [b'{"completed":"true"}', b'{"completed":0}', b'{"status":"done"}',
                                  b'{"completed":true,"status":"pending"}', b'{"is_completed":[]}'])
def test_wrong_values_for_complete(api, database, body):
    """SE11"""
    task = api.create("t")
    before = database.counts(api.user)
    assert api.complete(task, body).status == 422
    assert database.counts(api.user) == before
    assert api.read(task) == task


@pytest.mark.parametrize("body", [
    nested(32), nested(1), b'{"title":"t","x":' + b'{"a":' * 31 + b"1" + b"}" * 31 + b"}",
    b'\n{"title"\t:\r"t"}\n', b'{"title":"t","x":[-0,1e5,1E+5,1.5e-7,123456789012345678901234567890]}',
    b'{"title":"\\ud83d\\ude00\\/\\b\\f"}', b'{"title":"t","":1}', b'{"title":"t","Title":"u"}',
    b'{"title":"t","x":{"title":"u"},"y":{"title":"v"}}', b'{"title":"t","x":"' + b"y" * 10000 + b'"}',
    b'{"title":"t","x":[' + b"0," * 3000 + b"0]}",
    json.dumps({"title": "t", **{f"k{i}": i for i in range(200)}}).encode()],
    ids=lambda b: b[:24].decode() + f" ({len(b)})")
def test_unusual_but_good(api, body):
    """SE11: strict, not narrow."""
    answer = api.request("POST", api.tasks, body)
    assert answer.status == 201, answer


def test_a_body_over_the_cap_is_refused_before_it_is_read(api, database):
    """SE11: 413."""
    answer = api.request("POST", api.tasks, b'{"title":"t","x":"' + b"y" * 2_000_000 + b'"}')
    assert answer.status == 413
    assert database.counts(api.user)["tasks"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_damaged_bodies_never_fail_the_server(api, database, seed):
    """SE11: a good body with random bytes changed, cut or doubled is a task or a refusal, nothing else."""
    import random  # pylint: disable=import-outside-toplevel
    rng = random.Random(seed)
    good = '{"title":"Grüße \\ud83d\\ude00","description":"d\\n","priority":"high","x":[1,{"y":null}],"z":1.5e3}'.encode()
    made = 0
    for _ in range(60):
        body = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(body))
            what = rng.randrange(4)
            if what == 0:
                body[at] = rng.randrange(256)
            elif what == 1:
                del body[at:at + rng.randint(1, 5)]
            elif what == 2:
                body[at:at] = body[at:at + rng.randint(1, 20)]
            else:
                body[at:at] = rng.choice([b'"', b"{", b"}", b"[", b"\\", b"\\u0000", b"\xff", b"1e999", b","])
        answer = api.request("POST", api.tasks, bytes(body))
        assert answer.status in (201, 400, 422), answer
        made += answer.status == 201
    assert database.counts(api.user) == counted(tasks=made, outbox=2 * made)


def test_a_body_that_nothing_announces(api, database):
    """SE11: 411, where a body is needed; where it is not, no length is no body."""
    task = api.create("t")
    before = database.counts(api.user)
    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        answer = api.request("POST", api.tasks, headers=headers)
        assert answer.status == 411, answer
    assert database.counts(api.user) == before
    assert api.request("POST", api.tasks, b"").status in (400, 415, 422), "a length of zero is announced"
    assert api.complete(task).status == 200
