# SPDX-License-Identifier: Apache-2.0
"""A client that keeps a copy: updated_since gives what changed, deleted=1 what is gone."""
import random

import pytest

from test_tasks import next_of, walk


def split(rows):
    """(tasks, tombstones) of a bare array; the tombstones stand behind the tasks."""
    gone = [r for r in rows if "deleted_at" in r]
    tasks = [r for r in rows if "deleted_at" not in r]
    assert rows == tasks + gone
    assert all(set(g) == {"id", "deleted_at"} for g in gone)
    assert gone == sorted(gone, key=lambda g: (g["deleted_at"], g["id"]))
    return tasks, gone


def test_tombstones_in_every_shape(api):
    """A bare array, an envelope, pages (on the last one), and only when asked for."""
    tasks = [api.create(f"{i}") for i in range(6)]
    since = tasks[0]["updated_at"]
    for task in tasks[:2]:
        api.delete(task)
    left = tasks[:1:-1]
    found, gone = split(api.list(f"?updated_since={since}&deleted=1"))
    assert found == left and [g["id"] for g in gone] == [t["id"] for t in tasks[:2]]
    envelope = api.list(f"?updated_since={since}&deleted=1&envelope=1")
    assert envelope == {"tasks": left, "deleted": gone, "count": 4, "next_cursor": None}
    pages = [p.json for p in walk(api, f"?updated_since={since}&deleted=1&limit=3")]
    assert [split(p) for p in pages] == [(left[:3], []), (left[3:], gone)]
    pages = [p.json for p in walk(api, f"?updated_since={since}&deleted=1&limit=3&envelope=1")]
    assert [(p["tasks"], p.get("deleted")) for p in pages] == [(left[:3], []), (left[3:], gone)]
    assert api.list(f"?updated_since={since}") == api.list(f"?updated_since={since}&deleted=0") == left
    assert api.get(api.tasks + "?deleted=1").status == 422


@pytest.mark.parametrize("envelope", ["", "&envelope=1"])
@pytest.mark.parametrize("n", [0, 200, 201, 450])
def test_tombstones_behind_a_streamed_list(api, database, n, envelope):
    """However long the list is, and when there is none of it left."""
    doomed = api.create("doomed")
    if n:
        database.fill_tasks(api.user, n)
    api.delete(doomed)
    got = api.list(f"?updated_since=2020-01-01&deleted=1{envelope}")
    tasks, gone = (got["tasks"], got["deleted"]) if envelope else split(got)
    assert len(tasks) == n and [g["id"] for g in gone] == [doomed["id"]]


def test_only_since_then_and_only_ones_own(daemon, connect_api, api):
    """Inclusive, like updated_since; SE10: nobody else's."""
    other = connect_api(daemon)
    other.delete(other.create("theirs"))
    first, second = api.create("a"), api.create("b")
    api.delete(first)
    api.delete(second)
    _, gone = split(api.list("?updated_since=2020-01-01&deleted=true"))
    assert [g["id"] for g in gone] == [first["id"], second["id"]]
    assert split(api.list(f"?updated_since={gone[1]['deleted_at']}&deleted=1")) == ([], gone[1:])
    assert api.list("?updated_since=2099-01-01&deleted=1") == []


def test_thirty_days(api, database):
    """Older ones are not told, whatever is asked."""
    old, young = api.create("a"), api.create("b")
    api.delete(old)
    api.delete(young)
    for task, age in ((old, "30 days 1 minute"), (young, "29 days 23 hours")):
        database.rows("UPDATE todod.deleted_tasks SET deleted_at = now() - %s::interval WHERE user_id = %s AND id = %s", age, api.user, task["id"])
    assert [g["id"] for g in api.list("?updated_since=2020-01-01&deleted=1")] == [young["id"]]


def test_an_entity_tag_knows_of_deletions(api):
    """A page that gains a tombstone is another one."""
    api.create("stays")
    doomed = api.create("goes", completed=True)
    query = "?updated_since=2020-01-01&deleted=1&status=pending&limit=5"
    before = api.get(api.tasks + query).headers["etag"]
    assert api.get(api.tasks + query, headers={"If-None-Match": before}).status == 304
    api.delete(doomed)
    assert api.get(api.tasks + query, headers={"If-None-Match": before}).status == 200


class Copy:
    """A client that asks for what is newer than the newest it has seen."""

    def __init__(self, api, rng):
        self.api, self.rng, self.tasks, self.since = api, rng, {}, "2020-01-01"

    def sync(self):
        limit = self.rng.choice(["", "&limit=2", "&limit=7"])
        at = f"{self.api.tasks}?updated_since={self.since}&deleted=1&sort=updated&order=asc{limit}"
        newest = self.since
        while at is not None:
            page = self.api.get(at)
            tasks, gone = split(page.json)
            for task in tasks:
                self.tasks[task["id"]] = task
            for tombstone in gone:
                self.tasks.pop(tombstone["id"], None)
            newest = max([newest, *(t["updated_at"] for t in tasks), *(g["deleted_at"] for g in gone)])
            at = next_of(page)
        self.since = newest


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_stays_true(daemon, connect_api, api, seed):
    """Random writes, now and then a synchronisation: the copy is the list."""
    rng = random.Random(seed)
    copies = [Copy(connect_api(daemon, api.user), rng) for _ in range(2)]
    mine = []
    for i in range(60):
        what = rng.choice(["create", "create", "update", "complete", "delete", "tag", "rename"])
        if what == "create" or not mine:
            mine.append(api.create(f"{i}", tags=rng.sample(["a", "b"], rng.randint(0, 2))))
        elif what == "update":
            api.update(rng.choice(mine), title=f"{i}", due_date=rng.choice([None, "2031-01-01"]))
        elif what == "complete":
            api.complete(rng.choice(mine))
        elif what == "delete":
            api.delete(mine.pop(rng.randrange(len(mine))))
        elif what == "tag":
            api.update(rng.choice(mine), tags=rng.sample(["a", "b", "c"], rng.randint(0, 3)))
        else:
            api.request("PATCH", api.tag_path("a"), {"name": f"a{i}"})
        if rng.random() < 0.25:
            rng.choice(copies).sync()
    for copy in copies:
        copy.sync()
        assert sorted(copy.tasks.values(), key=lambda t: t["id"]) == sorted(api.list(), key=lambda t: t["id"])
