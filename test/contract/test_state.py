# SPDX-License-Identifier: Apache-2.0
"""The state store: values under keys, with conditions."""
import concurrent.futures
import json
import uuid

import pytest

from app import wait_until
from client import STORE


@pytest.fixture
def key():
    """As todod's keys look: a user's name, encoded."""
    return f"u/{uuid.uuid4()}%40example.com/contact"


def test_put_get_delete(side, key):
    """A value is read back, with an ETag; 204 for what is not there"""
    value = {"a": [1, "\u00e9", None], "n": "9007199254740993"}
    assert side.state_get(key).status == 204
    assert side.state_put(key, value).status == 204
    got = side.state_get(key)
    assert got.status == 200 and got.json == value and got.headers["ETag"]
    assert side.state_delete(key).status == 204
    assert side.state_get(key).status == 204
    assert side.state_delete(key).status == 204


def test_etag(side, key, note):
    """A write with an ETag that is not the current one is 409 and changes nothing"""
    side.state_put(key, 1)
    etag = side.state_get(key).headers["ETag"]
    assert side.state_put(key, 2, etag=etag.strip('"')).status == 204
    answer = side.state_put(key, 3, etag=etag.strip('"'))
    assert answer.status == 409, answer
    assert side.state_get(key).json == 2
    assert side.state_get(key).headers["ETag"] != etag
    malformed = side.state_put(key, 3, etag="not-an-etag")
    assert malformed.status in (400, 409), malformed
    note(f"malformed: {malformed.status} {malformed.code}")


def test_first_write(side, key, note):
    """first-write makes a key once; the second one is refused"""
    assert side.state_put(key, "first", first_write=True).status == 204
    answer = side.state_put(key, "second", first_write=True)
    assert answer.status in (409, 500), answer
    assert side.state_get(key).json == "first"
    note(f"refused: {answer.status} {answer.code}")


def test_first_write_race(side, key):
    """Of many first writes of a key exactly one wins"""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: side.state_put(key, n, first_write=True), range(8)))
    won = [n for n, a in enumerate(answers) if a.status == 204]
    assert len(won) == 1 and side.state_get(key).json == won[0], answers


def test_first_write_after_ttl(side, key):
    """first-write makes a key again when its time is over, and after a delete"""
    assert side.state_put(key, "lease", first_write=True, ttl=1).status == 204
    wait_until("its time is over", lambda: side.state_get(key).status == 204)
    assert side.state_put(key, "next", first_write=True).status == 204
    assert side.state_delete(key).status == 204
    assert side.state_put(key, "last", first_write=True).status == 204


def test_delete_if_match(side, key):
    """Deleting with If-Match needs the current ETag"""
    side.state_put(key, 1)
    old = side.state_get(key).headers["ETag"]
    side.state_put(key, 2)
    answer = side.state_delete(key, old)
    assert answer.status == 409, answer
    assert side.state_get(key).json == 2
    assert side.state_delete(key, side.state_get(key).headers["ETag"]).status == 204
    assert side.state_get(key).status == 204


def test_ttl(side, key, note):
    """A value with ttlInSeconds is gone after it, and a later write without keeps it"""
    assert side.state_put(key, 1, ttl=1).status == 204
    got = side.state_get(key)
    assert got.status == 200
    note("metadata.ttlExpireTime: " + ("yes" if got.headers.get("metadata.ttlExpireTime") else "no"))
    wait_until("its time is over", lambda: side.state_get(key).status == 204)
    other = key + "2"
    side.state_put(other, 1, ttl=1)
    side.state_put(other, 2)
    wait_until("the first is over", lambda: side.state_get(key).status == 204)
    assert side.state_get(other).json == 2


def test_written_twice(side, key):
    """A write that is repeated changes nothing more; one under a condition is refused the second time and changes nothing

    DP5.
    """
    for _ in range(2):
        assert side.state_put(key, {"whole": "value"}).status == 204
    assert side.state_get(key).json == {"whole": "value"}
    etag = side.state_get(key).headers["ETag"].strip('"')
    assert side.state_put(key, "second", etag=etag).status == 204
    assert side.state_put(key, "second", etag=etag).status == 409
    assert side.state_get(key).json == "second"
    for _ in range(2):
        assert side.state_delete(key).status == 204
    assert side.state_put(key, "first", first_write=True).status == 204
    assert side.state_put(key, "first", first_write=True).status in (409, 500)
    assert side.state_get(key).json == "first"


def test_bulk_get(side, key):
    """Several keys are read at once; one that is not there has no data"""
    side.state_put(key + "1", "one")
    side.state_put(key + "2", {"two": 2})
    answer = side.call("POST", f"/v1.0/state/{STORE}/bulk", {"keys": [key + "1", key + "2", key + "3"]})
    assert answer.status == 200
    got = {item["key"]: item for item in answer.json}
    assert got[key + "1"]["data"] == "one" and got[key + "1"]["etag"]
    assert got[key + "2"]["data"] == {"two": 2}
    assert got[key + "3"].get("data") is None


def test_several_at_once(side, key):
    """One request may write several keys"""
    items = [{"key": f"{key}{n}", "value": n} for n in range(3)]
    assert side.call("POST", f"/v1.0/state/{STORE}", items).status == 204
    assert [side.state_get(f"{key}{n}").json for n in range(3)] == [0, 1, 2]


def test_apart(side, publisher, key):
    """Two apps do not see each other's keys

    DP6.
    """
    side.state_put(key, "mine")
    assert publisher.state_get(key).status == 204
    publisher.state_put(key, "theirs")
    assert side.state_get(key).json == "mine"


def test_big_value(side, key):
    """A value of 1 MB comes back byte for byte"""
    value = "x\u00e9" * 350_000
    assert side.state_put(key, value).status == 204
    assert json.loads(side.state_get(key).body) == value


def test_refused(side, note):
    """An unknown store, a key with || and a body that is no list are refused"""
    answer = side.call("GET", "/v1.0/state/no-such/key")
    assert answer.status == 400 and answer.code == "ERR_STATE_STORE_NOT_FOUND", answer
    answer = side.state_put("a||b", 1)
    assert answer.status >= 400, answer
    note(f"||: {answer.status} {answer.code}")
    answer = side.call("POST", f"/v1.0/state/{STORE}", b"{not json", {"Content-Type": "application/json"})
    assert answer.status == 400, answer
