# SPDX-License-Identifier: Apache-2.0
"""Tags: colours, counts, one name for each folding; renamed and removed everywhere, also when that is cut short."""
import threading

import pytest

from database import connect
from process import wait_until
from test_tasks import in_parallel, waiting_for_locks


def by_name(api):
    return {t["name"]: t for t in api.tags()}


def rename(api, tag, headers=None, **fields):
    return api.request("PATCH", api.tag_path(tag), fields, headers)


def remove(api, name, headers=None):
    return api.request("DELETE", api.tag_path(name), headers=headers)


def new_tag(api, name, headers=None, **fields):
    return api.request("POST", api.at("tags"), {"name": name, **fields}, headers)


def check_joined(database, user):
    """task_tags and the counter are what the tasks say."""
    said = database.rows("""SELECT t.id, x FROM todod.tasks t, unnest(string_to_array(nullif(t.tags, ''), E'\\n')) x
        WHERE t.user_id = %s ORDER BY 1, 2""", user)
    joined = database.rows("""SELECT x.task_id, g.name FROM todod.task_tags x JOIN todod.tags g USING (user_id, key)
        WHERE x.user_id = %s ORDER BY 1, 2""", user)
    assert sorted(said) == sorted(joined)
    counters = database.rows("SELECT tags, tasks FROM todod.user_counters WHERE user_id = %s", user)
    real = database.rows("""SELECT (SELECT count(*) FROM todod.tags WHERE user_id = %s),
        (SELECT count(*) FROM todod.tasks WHERE user_id = %s)""", user, user)
    assert (counters or [(0, 0)]) == real


# ---- by themselves ----

def test_create_list_colours(api, database):
    """FT10: name and colour are set, listed by name, and kept."""
    answer = new_tag(api, "home", color="#2F855A")
    assert answer.status == 201
    assert answer.json == {"name": "home", "color": "#2f855a", "open_tasks": 0}
    assert answer.headers["location"] == api.tag_path("home")
    assert new_tag(api, "Zoo").json["color"] == "#808080"
    api.create("t", tags=["alpha", "home"])
    assert [t["name"] for t in api.tags()] == ["alpha", "home", "Zoo"]
    assert by_name(api)["home"] == {"name": "home", "color": "#2f855a", "open_tasks": 1}
    check_joined(database, api.user)


def test_counts_are_of_open_tasks(api):
    """FT10"""
    tasks = [api.create("t", tags=["a"]) for _ in range(3)]
    assert by_name(api)["a"]["open_tasks"] == 3
    api.complete(tasks[0])
    assert by_name(api)["a"]["open_tasks"] == 2
    api.complete(tasks[0])
    api.delete(tasks[1])
    api.update(tasks[2], tags=[])
    assert by_name(api)["a"]["open_tasks"] == 1
    api.delete(tasks[0])
    assert by_name(api)["a"]["open_tasks"] == 0, "a tag without tasks stays"


def test_change_of_colour(api, events):
    """FT10: tasks do not show colours, so they do not change."""
    task = api.create("t", tags=["a"])
    answer = rename(api, "a", color="#FF0000")
    assert answer.status == 200 and answer.json == {"name": "a", "color": "#ff0000", "open_tasks": 1}
    assert rename(api, "A", color=None).json["color"] == "#808080"
    assert api.read(task) == task and len(events(api.user)) == 1


@pytest.mark.parametrize("first, second", [
    ("\u00c4rger", "\u00e4rger"), ("Stra\u00dfe", "STRASSE"), ("caf\u00e9", "cafe\u0301"), ("a", "A"), ("\u03a3\u03a3", "\u03c3\u03c2"),
    ("\ufb01sh", "FISH"), ("\u1e9e", "ss"), ("  a b ", "A B"), ("\u212bm", "\u00e5M")])
def test_one_tag_for_each_folding(api, database, first, second):
    """FT10: NFC, unique after case folding; a task's tag is spelled as the user first did."""
    task = api.create("t", tags=[first])
    shown = task["tags"][0]
    assert new_tag(api, second).status == 409
    assert api.create("u", tags=[second])["tags"] == [shown]
    assert api.create("v", tags=[second, first, shown])["tags"] == [shown]
    assert len(api.tags()) == 1 and by_name(api)[shown]["open_tasks"] == 3
    assert len(api.list("?tag=" + api.tag_path(second).rpartition("/")[2])) == 3
    check_joined(database, api.user)


def test_accents_make_other_tags(api):
    """FT10: folding is of case, not of accents."""
    assert api.create("t", tags=["cafe", "caf\u00e9", "caf\u00e8"])["tags"] == ["cafe", "caf\u00e9", "caf\u00e8"]


BAD_NAMES = ["", " ", "\t", "x" * 51, "a,b", "a/b", "a\nb", "a\x00b", "a\u0001", "\u202eabc", "a\u2066b", "\u200b", "a\u200bb", "\ufeffa", "#a", "a:b", "\U0001f600",
             "a\u2028b", "a%", "\"a\"", "a;b", "@a", "a+b", "\ue000"]
GOOD_NAMES = ["a", "x" * 50, "\u6f22\u5b57", "\u05e2\u05d1\u05e8\u05d9\u05ea", "a b", "a-b_c.d", "\u0b95\u0bbf", "e\u0301", "\u0661\u0662", "x" * 49 + "\u00e4", ".", "..", "-"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_names_that_are_none(api, database, name):
    """FT4, FT10: letters, marks and digits of any script, space, `_ - .`; 1 to 50 of them. Else 422 naming the field."""
    task = api.create("t")
    before = database.counts(api.user)
    for answer, loc in ((new_tag(api, name), ["body", "name"]), (api.put(task, tags=["ok", name]), ["body", "tags", 1]),
                        (api.request("POST", api.tasks, {"title": "t", "tags": [{"name": name}]}), ["body", "tags", 0])):
        assert answer.status == 422 if "\0" not in name else answer.status in (400, 422), answer
        if answer.status == 422:
            assert answer.json["detail"][0]["loc"] == loc
    if name.strip() and "/" not in name:
        assert rename(api, name, color="#000000").status in (404, 400)
    assert database.counts(api.user) == before


@pytest.mark.parametrize("name", GOOD_NAMES, ids=ascii)
def test_names_that_are_fine(api, name):
    """FT10: and each can be reached by its path."""
    answer = new_tag(api, name)
    assert answer.status == 201, answer
    path = answer.headers["location"]
    assert path.rpartition("/")[2] not in (".", ".."), "clients take such segments away"
    assert api.request("PATCH", path, {"color": "#010203"}).json["color"] == "#010203"
    assert api.create("t", tags=[name])["tags"] == [answer.json["name"]]
    assert api.request("DELETE", path).status == 204
    assert api.list()[0]["tags"] == []


@pytest.mark.parametrize("color", ["red", "#fff", "#1234567", "#gggggg", "123456", "", " #123456", "#12345\u0661", 5, True, ["#123456"]])
def test_colours_that_are_none(api, color):
    """FT10: 422 naming the field."""
    api.create("t", tags=["a"])
    for answer in (new_tag(api, "b", color=color), rename(api, "a", color=color)):
        assert answer.status == 422 and answer.json["detail"][0]["loc"] == ["body", "color"], answer
    assert [t["color"] for t in api.tags()] == ["#808080"]


# ---- renaming ----

def test_rename_everywhere(api, outbox, database):
    """FT10, EV4: one task.updated and one task.state_changed for each task that has it; colour and place are kept."""
    new_tag(api, "old", color="#123456")
    tasks = [api.create(f"{i}", tags=["first", "old", "last"] if i % 2 else ["other"]) for i in range(9)]
    api.complete(tasks[1])
    before = {t["id"]: t for t in api.list()}
    n = len(outbox(api.user))
    answer = rename(api, "OLD", {"Idempotency-Key": "k"}, name="New name")
    assert answer.status == 200 and answer.json == {"name": "New name", "color": "#123456", "open_tasks": 3}
    after = {t["id"]: t for t in api.list()}
    told = outbox(api.user)[n:]
    changed = [t["id"] for i, t in enumerate(tasks) if i % 2]
    for task_id, task in after.items():
        if task_id not in changed:
            assert task == before[task_id]
            continue
        assert task["tags"] == ["first", "New name", "last"] and task["version"] == before[task_id]["version"] + 1
        mine = [e for e in told if e["data"]["task_id"] == str(task_id)]
        assert sorted(e["type"] for e in mine) == ["task.state_changed", "task.updated"]
        for event in mine:
            assert event["data"]["payload"]["task"] == task
            assert event["data"]["payload"]["changes"] == {"tags": {"before": before[task_id]["tags"], "after": task["tags"]}}
    assert len(told) == 2 * len(changed)
    assert set(by_name(api)) == {"first", "New name", "last", "other"}
    assert len(api.list("?tag=new%20name")) == 4 and rename(api, "old", name="x").status == 404
    again = rename(api, "OLD", {"Idempotency-Key": "k"}, name="New name")
    assert again.body == answer.body and again.headers["idempotency-replayed"] == "true"
    check_joined(database, api.user)


def test_rename_of_case_only(api, events, database):
    """FT10: the same tag in another spelling; tasks show it, each with one event."""
    task = api.create("t", tags=["home"])
    assert rename(api, "home", name="HOME").json["name"] == "HOME"
    assert api.read(task)["tags"] == ["HOME"] and api.read(task)["version"] == 2
    assert rename(api, "home", name="HOME").status == 200
    assert api.read(task)["version"] == 2, "nothing left to change"
    assert [e["type"] for e in events(api.user)] == ["task.created", "task.updated"]
    check_joined(database, api.user)


def test_rename_onto_one_that_is_there(api, database):
    """FT10: 409, and nothing has changed."""
    task = api.create("t", tags=["a", "b"])
    before = database.counts(api.user)
    answer = rename(api, "a", name="B")
    assert answer.status == 409 and answer.json["code"] == "tag_exists"
    assert api.read(task) == task and database.counts(api.user) == before
    assert rename(api, "a", name="c").status == 200, "and it is not half renamed"


def test_remove_everywhere(api, outbox, database):
    """FT10, EV4"""
    tasks = [api.create("t", tags=["a", "b"]) for _ in range(4)]
    n = len(outbox(api.user))
    first = remove(api, "A", {"Idempotency-Key": "k"})
    assert first.status == 204 and first.body == b""
    assert {tuple(t["tags"]) for t in api.list()} == {("b",)}
    told = outbox(api.user)[n:]
    assert sorted(e["type"] for e in told) == ["task.state_changed"] * 4 + ["task.updated"] * 4
    assert {e["data"]["task_id"] for e in told} == {str(t["id"]) for t in tasks}
    assert remove(api, "A", {"Idempotency-Key": "k"}).headers["idempotency-replayed"] == "true"
    assert remove(api, "a").status == 404
    assert set(by_name(api)) == {"b"}
    check_joined(database, api.user)


def test_renames_and_writes_at_once(api, database):
    """FT10: whatever order they end up in, task_tags and counters are what the tasks say."""
    tasks = [api.create("t", tags=["a"]) for _ in range(30)]

    def work(i):
        answers = []
        for k in range(6):
            if i == 0:
                answers.append(rename(api, "a" if k % 2 == 0 else "b", name="b" if k % 2 == 0 else "a"))
            elif i == 1:
                answers.append(remove(api, "c"))
            else:
                answers.append(api.put(tasks[(7 * i + k) % 30], tags=[["a"], ["b"], ["c", "a"], []][(i + k) % 4]))
        return answers

    answers = [a for mine in in_parallel(6, work) for a in mine]
    assert {a.status for a in answers} <= {200, 204, 404, 409, 503}, answers
    check_joined(database, api.user)


# ---- bounds ----

def test_twenty_tags_a_task(api, database):
    """FT4: 20 are fine, 21 are 422; a tag named twice counts once."""
    names = [f"t{i}" for i in range(21)]
    task = api.create("t", tags=names[:20])
    assert task["tags"] == names[:20]
    before = database.counts(api.user)
    answer = api.request("POST", api.tasks, {"title": "t", "tags": names})
    assert answer.status == 422 and answer.json["detail"][0]["loc"][:2] == ["body", "tags"]
    assert api.put(task, tags=names).status == 422
    assert database.counts(api.user) == before
    assert api.update(task, tags=names[:10] + [n.upper() for n in names[:10]])["tags"] == names[:10]


def fill_tags(database, user, n):
    database.rows("INSERT INTO todod.tags (user_id, key, name, color) SELECT %s, 'f' || i, 'f' || i, '#000000' FROM generate_series(1, %s) i",
                  user, n)
    database.rows("""INSERT INTO todod.user_counters (user_id, tasks, tags) VALUES (%s, 0, %s)
        ON CONFLICT (user_id) DO UPDATE SET tags = excluded.tags""", user, n)


def test_five_hundred_tags_a_user(api, database):
    """FT10: the 501st is 422 tag_quota, whoever brings it, and nothing of that write is left; renaming needs no room."""
    task = api.create("t")
    fill_tags(database, api.user, 498)
    assert new_tag(api, "n499").status == 201
    answers = in_parallel(4, lambda i: new_tag(api, f"n500-{i}"))
    assert sorted(a.status for a in answers) == [201, 422, 422, 422]
    before = database.counts(api.user)
    refused = [new_tag(api, "more", {"Idempotency-Key": "k"}), api.request("POST", api.tasks, {"title": "t", "tags": ["more"]}),
               api.put(task, tags=["f1", "more"]), *[a for a in answers if a.status == 422]]
    for answer in refused:
        assert answer.status == 422 and answer.json["code"] == "tag_quota", answer
        assert answer.json["detail"][0]["type"] == "tag_quota"
    assert database.counts(api.user) == before
    assert api.update(task, tags=["f1", "F2"])["tags"] == ["f1", "f2"]
    assert rename(api, "f1", name="renamed").status == 200
    assert remove(api, "f3").status == 204 and new_tag(api, "more").status == 201
    check_joined(database, api.user)


def test_the_key_of_the_last_tag(api, database):
    """FT10: the tag that reached the quota may be the repeated request's own."""
    fill_tags(database, api.user, 499)
    first = new_tag(api, "last", {"Idempotency-Key": "k"})
    assert first.status == 201
    again = new_tag(api, "last", {"Idempotency-Key": "k"})
    assert again.status == 201 and again.body == first.body and again.headers["idempotency-replayed"] == "true", again
    assert new_tag(api, "more", {"Idempotency-Key": "other"}).json["code"] == "tag_quota"


# ---- cut short ----

N_TASKS = 3000


def tagged_tasks(database, user, n, tag):
    first = database.fill_tasks(user, n)
    database.rows("INSERT INTO todod.tags VALUES (%s, %s, %s, '#123456')", user, tag, tag)
    database.rows("UPDATE todod.user_counters SET tags = 1 WHERE user_id = %s", user)
    database.rows("UPDATE todod.tasks SET tags = %s WHERE user_id = %s", tag, user)
    database.rows("INSERT INTO todod.task_tags SELECT user_id, %s, id FROM todod.tasks WHERE user_id = %s", tag, user)
    return first


def test_a_rename_that_is_killed_goes_on(database, make_daemon, connect_api):
    """FT10: kill -9 in the middle of a rename of some thousand tasks; the same request finishes it, nothing is lost or done twice."""
    daemon = make_daemon(database)
    api = connect_api(daemon)
    tagged_tasks(database, api.user, N_TASKS, "old")
    api.create("late", tags=["old", "kept"])

    def events_so_far():
        return database.value("SELECT count(*) FROM todod.outbox WHERE user_id = %s", api.user) - 2

    def first_try():
        try:
            rename(api, "old", {"Idempotency-Key": "k"}, name="new")
        except OSError:
            pass
        except Exception:  # pylint: disable=broad-except
            pass

    thread = threading.Thread(target=first_try)
    thread.start()
    wait_until("the first tasks", lambda: events_so_far() > 0, every=0.001)
    daemon.kill()
    thread.join()
    daemon.check_output()
    done = events_so_far()
    daemon.start()
    assert 0 < done < 2 * N_TASKS, "it was cut short"
    check_joined_while_renaming(database, api.user)
    # Both names are there, and every task has one of them.
    assert {"old", "new", "kept"} <= set(by_name(api))
    answer = rename(api, "old", {"Idempotency-Key": "k"}, name="new")
    assert answer.status == 200 and answer.json["open_tasks"] == N_TASKS + 1 and answer.json["color"] == "#123456", answer
    assert set(by_name(api)) == {"new", "kept"}
    rows = database.rows("SELECT tags, version, count(*) FROM todod.tasks WHERE user_id = %s GROUP BY 1, 2 ORDER BY 1", api.user)
    assert rows == [("new", 2, N_TASKS), ("new\nkept", 2, 1)]
    assert events_so_far() == 2 * (N_TASKS + 1)
    check_joined(database, api.user)
    assert rename(api, "old", {"Idempotency-Key": "k"}, name="new").headers["idempotency-replayed"] == "true"
    daemon.stop()


def check_joined_while_renaming(database, user):
    """A task has the name that its key in task_tags has now."""
    wrong = database.value("""SELECT count(*) FROM todod.tasks t WHERE t.user_id = %s AND NOT EXISTS (
        SELECT FROM todod.task_tags x JOIN todod.tags g USING (user_id, key) WHERE x.user_id = t.user_id AND x.task_id = t.id
        AND g.name = split_part(t.tags, E'\\n', 1))""", user)
    assert wrong == 0


def test_after_a_rename_that_was_cut_short(api, database):
    """FT10: another name is 409 until the rename is repeated; who deletes its target instead has the old tag back."""
    api.create("t", tags=["a"])
    database.rows("UPDATE todod.tags SET renaming_to = 'b' WHERE user_id = %s", api.user)
    database.rows("INSERT INTO todod.tags VALUES (%s, 'b', 'b', '#000000')", api.user)
    assert rename(api, "a", name="c").status == 409
    assert remove(api, "b").status == 204
    check_joined(database, api.user)
    assert rename(api, "a", name="b").status == 200
    assert [t["name"] for t in api.tags()] == ["b"] and api.list()[0]["tags"] == ["b"]
    check_joined(database, api.user)


def test_deleted_while_a_rename_begins(api, database):
    """FT10: whether a tag counts is what it is when it goes, not when the deletion looked at it."""
    new_tag(api, "a")
    lock = connect(database.url)
    lock.autocommit = False
    cursor = lock.cursor()
    cursor.execute("SELECT FROM todod.user_counters WHERE user_id = %s FOR UPDATE", (api.user,))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(remove(api, "a")))
    thread.start()
    wait_until("the deletion waits", lambda: waiting_for_locks(database) >= 1)
    cursor.execute("UPDATE todod.tags SET renaming_to = 'b' WHERE user_id = %s", (api.user,))
    cursor.execute("INSERT INTO todod.tags VALUES (%s, 'b', 'b', '#000000')", (api.user,))
    lock.commit()
    thread.join()
    lock.close()
    assert answers[0].status == 204 and [t["name"] for t in api.tags()] == ["b"]
    check_joined(database, api.user)


def test_a_rename_taken_up_with_another_spelling_and_colour(api, database):
    """FT10: what was asked for last is what all of its tasks show."""
    api.create("t", tags=["a"])
    api.create("u", tags=["b"])
    database.rows("UPDATE todod.tags SET renaming_to = 'b' WHERE user_id = %s AND key = 'a'", api.user)
    database.rows("UPDATE todod.user_counters SET tags = 1 WHERE user_id = %s", api.user)
    answer = rename(api, "a", name="B", color="#abcdef")
    assert answer.json == {"name": "B", "color": "#abcdef", "open_tasks": 2} == api.tags()[0]
    assert [t["tags"] for t in api.list()] == [["B"], ["B"]]
    check_joined(database, api.user)


def test_deleting_a_tag_that_is_half_renamed(api, database):
    """FT10: the tasks that still have it lose it, the others keep the new one; the count is right."""
    api.create("t", tags=["a"])
    moved = api.create("u", tags=["b"])
    database.rows("UPDATE todod.tags SET renaming_to = 'b' WHERE user_id = %s AND key = 'a'", api.user)
    database.rows("UPDATE todod.user_counters SET tags = 1 WHERE user_id = %s", api.user)
    assert remove(api, "a").status == 204
    assert [t["name"] for t in api.tags()] == ["b"] and api.read(moved)["tags"] == ["b"]
    check_joined(database, api.user)
