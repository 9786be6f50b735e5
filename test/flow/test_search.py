# SPDX-License-Identifier: Apache-2.0
"""Search: words of title and description, the last one as a prefix, whatever accents and case; ranked; never a failure."""
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_list import walk

TEXTS = {
    "milk": ("Buy milk", None),
    "milkshake": ("Make a milkshake", "with oat drink"),
    "cafe": ("Caf\u00e9 with Zo\u00eb", "na\u00efve r\u00e9sum\u00e9"),
    "decomposed": ("Cafe\u0301 again", None),
    "strasse": ("Gro\u00dfe Stra\u00dfe fegen", "\u00c4RGER vermeiden"),
    "described": ("Something", "milk is what it is about"),
    "cjk": ("\u8cb7\u3044\u7269 \u725b\u4e73", None),
    "cyrillic": ("\u041a\u0443\u043f\u0438\u0442\u044c \u043c\u043e\u043b\u043e\u043a\u043e", None),
    "numbers": ("Call +49 30 123456", "room 4.20"),
    "signs": ("don't stop: a-b_c/d (e)", None),
    "turkish": ("\u0130stanbul trip", None),
}


@pytest.fixture(scope="module")
def library(shared_daemon, openapi, signing_key):
    from api_client import Api, sign  # pylint: disable=import-outside-toplevel
    api = Api(shared_daemon, sign(signing_key, "search-library"), "search-library", openapi)
    ids = {api.create(title, description=text)["id"]: name for name, (title, text) in TEXTS.items()}
    yield lambda search, more="": [ids[t["id"]] for t in api.list(f"?search={urllib.parse.quote(search)}{more}")]
    api.close()


@pytest.mark.parametrize("search, found", [
    ("milk", {"milk", "milkshake", "described"}), ("milks", {"milkshake"}), ("MILK", {"milk", "milkshake", "described"}),
    ("mil", {"milk", "milkshake", "described"}), ("buy milk", {"milk"}), ("milk buy", {"milk"}), ("mil buy", set()),
    ("milk bu", {"milk"}), ("ilk", set()), ("milk x", set()), ("oat make", {"milkshake"}), ("something milk", {"described"}),
    ("cafe", {"cafe", "decomposed"}), ("caf\u00e9", {"cafe", "decomposed"}), ("CAFE\u0301", {"cafe", "decomposed"}),
    ("zoe", {"cafe"}), ("naive resume", {"cafe"}), ("strasse", {"strasse"}), ("gro\u00dfe", {"strasse"}), ("GROSSE", {"strasse"}),
    ("arger", {"strasse"}), ("\u00e4rger", {"strasse"}), ("\u725b\u4e73", {"cjk"}), ("\u725b", {"cjk"}),
    ("\u041c\u041e\u041b\u041e", {"cyrillic"}), ("49", {"numbers"}), ("1234", {"numbers"}), ("stop", {"signs"}),
    ("istanbul", {"turkish"}), ("nowhere", set()), ("  milk  ", {"milk", "milkshake", "described"})])
def test_words_prefix_and_accents(library, search, found):
    """FT5: whole words but the last, which may be begun; accents, case and composition do not count."""
    assert set(library(search)) == found


def test_better_matches_come_first(library):
    """FT5: a title counts more than a description; the order is told by `order` alone too, and other sorts hold."""
    assert library("milk")[-1] == "described"
    assert library("milk", "&order=asc")[0] == "described"
    assert library("milk", "&sort=created&order=asc") == ["milk", "milkshake", "described"]
    assert library("milk", "&sort=title") == ["milk", "milkshake", "described"]


def test_pages_of_ranked_results(api):
    """FT5: each once, in the order of the whole list."""
    for i in range(25):
        api.create(f"milk {i}", description="milk " * (i % 4))
    whole = [t["id"] for t in api.list("?q=milk")]
    assert [t["id"] for p in walk(api, "?q=milk&limit=4") for t in p.json] == whole and len(whole) == 25


def test_what_changes_is_found_as_it_is_now(api):
    """FT5"""
    task = api.create("first")
    api.update(task, title="second", description="third")
    assert api.list("?search=first") == []
    assert [t["id"] for t in api.list("?search=sec")] == [t["id"] for t in api.list("?search=third")] == [task["id"]]
    api.update(task, description=None)
    assert api.list("?search=third") == []


def test_only_ones_own(daemon, connect_api, api):
    """FT5, SE10"""
    api.create("secretword")
    other = connect_api(daemon)
    assert other.list("?search=secretword") == [] and other.get(other.tasks + "?q=secretword&limit=1").headers["x-total-count"] == "0"


HOSTILE = ["'", "''", "\\", "a\\'b", "a & b | !c", "(a", "a)", ":*", "a:*", "a:A", "<->", "a <2> b", "!", "!!a", "'a' & 'b'", "%", "_", "*",
           "a'; DROP TABLE todod.tasks; --", "\u0001", "\u200b", "\ufeff", "\u202ea", "\U0010ffff", "\u0301", "a" * 199, "a " * 99,
           "\u0df7" * 50, "1 2 3 4 5 6 7 8 9", "a\nb\tc", "$1", "\ufdfa" * 11, "\u1e9b\u0323"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_searches(api, text):
    """FT5: text that means something to a query language is words or nothing, never a failure; it is found as it stands."""
    api.create(text[:100] + ".", description=text)
    answer = api.get(f"{api.tasks}?search={urllib.parse.quote(text)}")
    assert answer.status == 200, answer
    assert api.get(f"{api.tasks}?search={urllib.parse.quote(text)}&limit=1&sort=title").status == 200


@settings(max_examples=100)
@given(title=st.text(max_size=60), text=st.text(max_size=200), search=st.text(max_size=60))
def test_any_text_can_be_stored_and_searched(api, title, text, search):
    """FT5, SE11: what JSON and a path can carry."""
    if any(0xd800 <= ord(c) < 0xe000 or c == "\0" for c in title + text + search):
        return
    api.create("." + title, description=text)
    assert api.get(f"{api.tasks}?search={urllib.parse.quote(search)}&limit=5").status == 200
