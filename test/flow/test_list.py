# SPDX-License-Identifier: Apache-2.0
"""Lists: every parameter in every combination beside a model, cursors while others write, entity tags, envelopes."""
import datetime
import itertools
import random
import threading
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import list_model
from test_tasks import next_of, walk

SORTS = ["created", "updated", "due_date", "priority", "title", "completed"]
TAGS = ["home", "Work", "\u00c4rger", "a b", "x.y"]
WORDS = ["milk", "Milch", "\u00c4pfel", "apfel", "caf\u00e9", "CAFE", "water", "waterfall", "plants", "\u00dfen", "10", "zebra"]
ZONES = ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"]


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).date().isoformat()


def random_task(rng, zone):
    """Some of everything; dates around now, so that some are overdue and some are due today somewhere."""
    due = rng.choice([None, day(rng.randint(-3, 3)), day(rng.randint(-3, 3)), day(0), f"{day(rng.randint(-3, 3))}T12:00:00Z",
                      f"{day(rng.choice([-2, 2]))}T00:30:00.25"])
    fields = {"title": " ".join(rng.sample(WORDS, rng.randint(1, 3))), "priority": rng.choice(list_model.PRIORITIES),
              "description": rng.choice([None, " ".join(rng.sample(WORDS, 2))]), "completed": rng.random() < 0.3,
              "tags": rng.sample(TAGS, rng.choice([0, 0, 1, 2, 3])), "reminders": []}
    if due:
        fields.update(due_date=due, time_zone=rng.choice([zone, *ZONES]))
    return fields


def populate(api, zone, n, seed):
    rng = random.Random(seed)
    api.prefer(time_zone=zone)
    tasks = [api.create(**random_task(rng, zone)) for _ in range(n)]
    for task in rng.sample(tasks, n // 3):
        api.update(task, description="changed")
    for task in rng.sample(tasks, n // 5):
        api.complete(task)
    return api.list()


@pytest.fixture(scope="module")
def population(shared_daemon, openapi, signing_key):
    """Per zone: a client and its tasks."""
    from api_client import Api, sign  # pylint: disable=import-outside-toplevel
    made = {}
    for zone in ZONES:
        user = "list-" + zone.replace("/", "-").replace("+", "-")
        api = Api(shared_daemon, sign(signing_key, user), user, openapi)
        made[zone] = api, populate(api, zone, 45, zone)
    yield made
    for api, _ in made.values():
        api.close()


TIMES = st.one_of(st.integers(-4, 4).map(day), st.integers(-3, 3).map(lambda n: f"{day(n)}T12:00:00Z"),
                  st.integers(-3, 3).map(lambda n: f"{day(n)}T00:30:00.25"),
                  st.integers(-3, 3).map(lambda n: f"{day(n)}T12:00:00+14:00"))
QUERIES = st.fixed_dictionaries({}, optional={
    "status": st.sampled_from(["all", "pending", "completed"]),
    "priority": st.lists(st.sampled_from(list_model.PRIORITIES), min_size=1, max_size=3, unique=True),
    "tag": st.lists(st.sampled_from([*TAGS, "WORK", "\u00e4RGER", "nowhere"]), min_size=1, max_size=3, unique=True),
    "tag_mode": st.sampled_from(["all", "any"]),
    "due_before": TIMES,
    "due_after": TIMES,
    "overdue": st.booleans(),
    "updated_since": st.sampled_from([None, 0.25, 0.5, 0.9]),
    "search": st.one_of(st.sampled_from(["mil", "APF", "cafe", "wat pla", "water pl", "\u00e4pfel", "ssen", "nothing", "1"]),
                        st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(" ".join)),
    "sort": st.sampled_from(SORTS),
    "order": st.sampled_from(["asc", "desc"]),
})


def encode(query, spelling):
    """The query's text. `spelling` decides between repetitions and commas, and between older names and ours."""
    pairs = []
    for name, value in query.items():
        name = spelling.choice((name, {"search": "q", "sort": "sort_by", "order": "sort_order"}.get(name, name)))
        if isinstance(value, list) and spelling.random() < 0.5:
            pairs += [(name, v) for v in value]
        elif isinstance(value, list):
            pairs.append((name, ",".join(value)))
        else:
            pairs.append((name, {True: "true", False: "false"}.get(value, value)))
    spelling.shuffle(pairs)
    return urllib.parse.urlencode(pairs)


def prepare(query, tasks):
    """updated_since becomes the time of one of the tasks, so that it is decided at the microsecond."""
    if "updated_since" in query:
        share = query.pop("updated_since")
        if share is not None:
            query["updated_since"] = sorted(t["updated_at"] for t in tasks)[int(share * len(tasks))]
    if "search" in query and "sort" not in query:
        query.pop("order", None)
    return query


@settings(max_examples=120)
@given(query=QUERIES, zone=st.sampled_from(ZONES), limit=st.integers(1, 30), spelling=st.randoms(use_true_random=False))
def test_any_query_gives_what_the_model_gives(population, query, zone, limit, spelling):
    """FT4, FT6, FT7: filters, sorts and pages in any combination, as a list and page by page."""
    api, tasks = population[zone]
    query = prepare(query, tasks)
    expected = list_model.answer(query, tasks, zone, datetime.datetime.now(datetime.timezone.utc))
    text = encode(query, spelling)
    whole = api.get(f"{api.tasks}?{text}")
    assert whole.status == 200, whole
    assert whole.headers["x-total-count"] == str(len(expected))
    pages = walk(api, f"?{text}&limit={limit}")
    assert [t["id"] for p in pages for t in p.json] == [t["id"] for t in whole.json]
    assert {p.headers["x-total-count"] for p in pages} == {str(len(expected))}
    if "search" in query and "sort" not in query:
        # Ranked; which comes first among matches is the business of test_search.py.
        assert sorted(t["id"] for t in whole.json) == sorted(t["id"] for t in expected)
    else:
        assert whole.json == expected


@pytest.mark.parametrize("status, priority, tag, due", itertools.product((None, "pending"), (None, "high,urgent"), (None, "home"),
                                                                       (None, "due_before")))
def test_sixteen_combinations_of_filters(population, status, priority, tag, due):
    """FT6: with and without each of status, priority, tag and due date, beside brute force."""
    api, tasks = population["UTC"]
    query = {k: v for k, v in (("status", status), ("priority", priority), ("tag", tag)) if v}
    if due:
        query["due_before"] = day(1)
    text = urllib.parse.urlencode(query)
    model = {**query, **{k: query[k].split(",") for k in ("priority", "tag") if k in query}}
    assert api.list("?" + text) == list_model.answer(model, tasks, "UTC", datetime.datetime.now(datetime.timezone.utc))


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTS)
def test_each_sort_is_a_stable_total_order(population, sort, order):
    """FT7: the same twice, asc and desc are each other's reverse but for tasks without due date, which come last."""
    api, tasks = population["UTC"]
    found = api.list(f"?sort={sort}&order={order}")
    assert found == api.list(f"?sort={sort}&order={order}") == list_model.in_order({"sort": sort, "order": order}, tasks)
    if sort == "due_date":
        dates = [t["due_date"] is None for t in found]
        assert dates == sorted(dates) and any(dates)
    assert len(found) == len(tasks)


# ---- due dates of a day ----

@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin", "America/Sao_Paulo"])
def test_a_day_is_overdue_when_it_is_over_there(api, zone):
    """FT6: yesterday in its own zone is overdue, today is not, whatever day it is elsewhere."""
    import zoneinfo  # pylint: disable=import-outside-toplevel
    today = datetime.datetime.now(zoneinfo.ZoneInfo(zone)).date()
    for title, offset, done in (("yesterday", -1, False), ("today", 0, False), ("tomorrow", 1, False), ("done", -1, True)):
        api.create(title, due_date=(today + datetime.timedelta(days=offset)).isoformat(), time_zone=zone, completed=done)
    api.create("no date")
    if datetime.datetime.now(zoneinfo.ZoneInfo(zone)).date() == today:
        assert [t["title"] for t in api.list("?overdue=true")] == ["yesterday"]
        assert {t["title"] for t in api.list("?overdue=false")} == {"today", "tomorrow", "done", "no date"}


def test_days_in_queries_are_the_users(api):
    """FT6: due_before=DAY is before that day begins where the user is."""
    api.prefer(time_zone="America/New_York")
    early = api.create("early", due_date="2031-06-01T03:59:59Z")
    late = api.create("late", due_date="2031-06-01T04:00:00Z")
    all_day = api.create("all day", due_date="2031-06-01")
    assert all_day["time_zone"] == "America/New_York"
    assert api.list("?due_before=2031-06-01") == [early]
    assert api.list("?due_after=2031-06-01&sort=created&order=asc") == [late, all_day]
    assert api.list("?due_before=2031-06-01T00:00:00.000001&order=asc") == [early, late, all_day]
    assert api.list("?due_after=2031-06-01T04:00:00%2B00:00&due_before=2031-06-02&order=asc") == [late, all_day]
    assert api.list("?due_after=2031-06-01T06:00:00+02:00&order=asc") == [late, all_day], "a plus may come as it is"


def test_tags_of_any_script_are_filtered_and_searched(api):
    """FL7: letters, marks and digits of any script, space, `_ - .`; filters, and search in the same words, find the task."""
    for tag in ("home", "\u6f22\u5b57", "\u05e2\u05d1\u05e8\u05d9\u05ea", "a b", "x_y-z.1", "\u0b95\u0bbf", "\u0661"):
        task = api.create(f"about {tag}", tags=[tag])
        text = urllib.parse.quote(tag)
        assert api.list(f"?tag={text}") == [task] and task in api.list(f"?search={text}")
        assert api.list(f"?tag={text}&search=about&sort=title&limit=3") == [task]
    assert api.get(api.tasks + "?tag=a%2Fb").status == 422


# ---- cursors ----

CURSOR_QUERIES = ["sort=title", "sort=title&order=desc", "sort=priority", "tag=home", "status=pending", "search=m", "overdue=true",
                  "due_before=2099-01-01", "priority=low", "updated_since=2020-01-01", "sort=due_date&order=desc",
                  "tag=home&tag_mode=any&tag=work"]


def cursor_of(api, query):
    page = api.get(f"{api.tasks}?{query}&limit=1")
    assert page.status == 200
    return urllib.parse.parse_qs(next_of(page).partition("?")[2])["cursor"][0]


@pytest.mark.parametrize("query", CURSOR_QUERIES)
def test_a_cursor_fits_one_list(daemon, connect_api, population, query):
    """FT7, SE2: of another sort, filter or user, truncated or damaged: 422, and it is the cursor that is named."""
    api, _ = population["UTC"]
    cursor = cursor_of(api, query)
    assert api.get(f"{api.tasks}?{query}&limit=1&cursor={cursor}").status == 200
    assert api.get(f"{api.tasks}?{query}&limit=7&cursor={cursor}").status == 200, "the size of a page may change"
    others = [q for q in CURSOR_QUERIES if q != query] + ["", "sort=created&order=asc"]
    refused = [api.get(f"{api.tasks}?{q}&limit=1&cursor={cursor}") for q in others]
    refused += [api.get(f"{api.tasks}?{query}&limit=1&cursor={cursor[:n]}") for n in (1, len(cursor) // 2, len(cursor) - 1)]
    other = connect_api(daemon)
    refused.append(other.get(f"{other.tasks}?{query}&limit=1&cursor={cursor}"))
    for answer in refused:
        assert answer.status == 422, answer
        assert answer.json["detail"][0]["loc"] == ["query", "cursor"]


def test_damaged_cursors_never_fail_the_server(population):
    """SE11: a cursor in which anything was changed is 422."""
    api, _ = population["UTC"]
    rng = random.Random(5)
    for query in CURSOR_QUERIES:
        cursor = cursor_of(api, query)
        for _ in range(25):
            at = rng.randrange(len(cursor))
            damaged = cursor[:at] + rng.choice("Az09-_.~=%41 ") + cursor[at + rng.randint(0, 3):]
            if damaged == cursor:
                continue
            answer = api.get(f"{api.tasks}?{query}&limit=50&cursor={urllib.parse.quote(damaged)}")
            assert answer.status == 422, answer


@pytest.mark.parametrize("query", [f"sort={s}&order={o}" for s in SORTS for o in ("asc", "desc")] + ["search=milk", "tag=home"])
def test_cursors_neither_skip_nor_repeat_while_others_write(daemon, connect_api, api, query):
    """FT7: tasks nobody touches are seen exactly once in every order, while others are made, changed, moved and deleted."""
    rng = random.Random(query)
    staying, moving = [], []
    for i in range(32):
        mine = staying if i % 2 else moving
        mine.append(api.create(f"milk {rng.randint(0, 9)}", tags=["home"], priority=rng.choice(list_model.PRIORITIES),
                               completed=rng.random() < 0.5, reminders=[],
                               due_date=rng.choice([None, f"2031-01-0{rng.randint(1, 9)}"])))
    stop, errors = threading.Event(), []

    def write():
        other = connect_api(daemon, api.user)
        try:
            while not stop.is_set():
                task = rng.choice(moving)
                other.update(task, title=f"milk {rng.randint(0, 9)}", priority=rng.choice(list_model.PRIORITIES),
                             completed=rng.random() < 0.5, due_date=rng.choice([None, f"2031-01-0{rng.randint(1, 9)}"]))
                moving.append(other.create(f"milk {rng.randint(0, 9)}", tags=["home"]))
                if len(moving) > 16:
                    assert other.delete(moving.pop(rng.randrange(len(moving)))).status == 204
        except BaseException as e:  # pylint: disable=broad-except
            errors.append(e)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for limit in (3, 7):
            seen = [t["id"] for p in walk(api, f"?{query}&limit={limit}") for t in p.json]
            for task in staying:
                assert seen.count(task["id"]) == 1, f"{query}: {seen.count(task['id'])} times"
    finally:
        stop.set()
        writer.join()
    assert not errors, errors[0]


# ---- entity tags, envelopes, links ----

def test_304_of_a_filtered_list(api):
    """FT6: an entity tag holds while the list does, and for that list."""
    one, two = api.create("milk", priority="high", tags=["a"]), api.create("bread", tags=["a"])
    for query in ("?priority=high&limit=5", "?search=milk&limit=5", "?tag=a&sort=title&limit=5"):
        first = api.get(api.tasks + query)
        etag = first.headers["etag"]
        assert etag.startswith('W/"')
        same = api.get(api.tasks + query, headers={"If-None-Match": etag})
        assert same.status == 304 and same.headers["etag"] == etag and same.headers["x-total-count"] == first.headers["x-total-count"]
    before = api.get(api.tasks + "?priority=high&limit=5").headers["etag"]
    api.update(two, title="rye")
    assert api.get(api.tasks + "?priority=high&limit=5", headers={"If-None-Match": before}).status == 304, "it is not on that list"
    api.update(one, title="oat milk")
    assert api.get(api.tasks + "?priority=high&limit=5", headers={"If-None-Match": before}).status == 200


def test_envelopes_of_filters(population):
    """FT6: count is the total of the filter; next_cursor and Link lead to the same page."""
    api, tasks = population["UTC"]
    expected = [t for t in tasks if t["status"] == "pending"]
    page = api.get(api.tasks + "?status=pending&limit=5&envelope=1")
    assert page.json["count"] == len(expected) == int(page.headers["x-total-count"])
    assert page.json["tasks"] == expected[:5]
    assert page.json["next_cursor"] in next_of(page)
    following = api.get(next_of(page))
    assert following.json["tasks"] == expected[5:10]
    assert api.list("?status=pending&envelope=1") == {"tasks": expected, "count": len(expected), "next_cursor": None}
    assert "deleted" not in page.json


def test_links_keep_every_parameter_once(population):
    """FT7"""
    api, _ = population["UTC"]
    link = next_of(api.get(api.tasks + "?tag=home&tag=work&tag_mode=any&sort=title&limit=2&q=&unknown=%20x"))
    pairs = urllib.parse.parse_qsl(link.partition("?")[2], keep_blank_values=True)
    assert [p for p in pairs if p[0] != "cursor"] == [("tag", "home"), ("tag", "work"), ("tag_mode", "any"), ("sort", "title"),
                                                      ("limit", "2"), ("q", ""), ("unknown", " x")]
    assert sum(p[0] == "cursor" for p in pairs) == 1
    second = next_of(api.get(link))
    assert second is None or second.count("cursor=") == 1


@pytest.mark.parametrize("query", [
    "status=done", "status=", "priority=asap", "priority=high,asap", "tag=a%2Cb%00", "tag=%E2%80%AE", "tag_mode=some",
    "due_before=tomorrow", "due_before=2026-02-30", "due_after=10000-01-01", "due_after=2026-01-01T00:00:60Z", "due_before=",
    "overdue=maybe", "overdue=", "updated_since=0", "search=" + "x" * 201, "sort=size", "sort=", "order=up", "sort_order=ASC",
    "deleted=1", "deleted=perhaps", "tag=" + ",".join(f"t{i}" for i in range(21)), "tag=" + "x" * 51, "status=all&status=pending"])
def test_bad_parameters(api, query):
    """FT6, FT7: 422 (400 for what cannot be text), naming the parameter."""
    answer = api.get(f"{api.tasks}?{query}")
    if "%00" in query:
        assert answer.status in (400, 422), answer
        return
    assert answer.status == 422, answer
    name = {"sort_order": "order"}.get(query.partition("=")[0], query.partition("=")[0])
    assert answer.json["detail"][0]["loc"][:2] == ["query", name], answer


def test_a_search_of_nothing_finds_everything_and_one_of_signs_nothing(api):
    """FT5"""
    task = api.create("t")
    assert api.list("?search=") == api.list("?search=%20") == [task]
    assert api.list("?search=!!!") == [] and api.list("?q=%26%7C&limit=5&envelope=1")["count"] == 0
