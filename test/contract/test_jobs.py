# SPDX-License-Identifier: Apache-2.0
"""Jobs: one-shot callbacks at a time."""
import datetime
import json
import time
import uuid

import pytest

from app import wait_until

EXACT_SECONDS = 30


def due(seconds):
    """RFC 3339, seconds from now."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


RETRY = {"constant": {"interval": "1s"}}


@pytest.fixture
def job(request):
    return f"rem-{uuid.uuid4()}"


def test_on_time(app, side, job, app_token, note):
    """A one-shot job comes once, not early, as POST /job/NAME with its data"""
    came = []
    app.on(f"/job/{job}", lambda r: came.append(time.time()) or 200)
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    data = {"event": json.dumps({"id": "1", "n": 9007199254740993}), "list": [1, {"a": None}]}
    answer = side.job_put(job, dueTime=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), data=data, failurePolicy=RETRY)
    assert answer.status == 204, answer
    request = app.wait(f"/job/{job}", 1, EXACT_SECONDS)[0]
    assert request.method == "POST" and json.loads(request.body) == data
    assert request.headers["dapr-api-token"] == app_token
    assert came[0] >= at.timestamp() - 0.001
    note(f"{(came[0] - at.timestamp()) * 1000:.0f} ms late")
    time.sleep(2.5)
    assert len(app.to(f"/job/{job}")) == 1
    assert side.job_get(job).status >= 400


def test_data_may_be_a_string(app, side, job):
    """A job's data may be one string, which comes back exactly"""
    text = json.dumps({"id": "1", "text": "\u00e9 <&> \"quoted\"", "n": 12345678901234567890})
    assert side.job_put(job, dueTime=due(0.5), data=text, failurePolicy=RETRY).status == 204
    assert json.loads(app.wait(f"/job/{job}", 1, EXACT_SECONDS)[0].body) == text


@pytest.mark.parametrize("seconds", [-1, -86400])
def test_past(app, side, job, seconds):
    """A job whose time is past comes at once"""
    assert side.job_put(job, dueTime=due(seconds), data=1, failurePolicy=RETRY).status == 204
    app.wait(f"/job/{job}", 1, EXACT_SECONDS)


def test_duration(app, side, job):
    """dueTime may be a duration from now"""
    assert side.job_put(job, dueTime="500ms", data=1, failurePolicy=RETRY).status == 204
    app.wait(f"/job/{job}", 1, EXACT_SECONDS)


def test_overwrite(app, side, job, note):
    """A job of that name is 409, unless overwrite says to replace it: time and data"""
    assert side.job_put(job, dueTime=due(3600), data="old", failurePolicy=RETRY).status == 204
    answer = side.job_put(job, dueTime=due(1), data="new", failurePolicy=RETRY)
    assert answer.status == 409, answer
    note(f"{answer.status} {answer.code}")
    answer = side.job_put(job, dueTime=due(1), data="new", overwrite=True, failurePolicy=RETRY)
    assert answer.status == 204, answer
    assert json.loads(app.wait(f"/job/{job}", 1, EXACT_SECONDS)[0].body) == "new"


def test_overwrite_later(app, side, job):
    """A job that is replaced by a later one does not come at its old time"""
    assert side.job_put(job, dueTime=due(1), data="old", failurePolicy=RETRY).status == 204
    assert side.job_put(job, dueTime=due(3), data="new", overwrite=True, failurePolicy=RETRY).status == 204
    requests = app.wait(f"/job/{job}", 1, EXACT_SECONDS)
    assert [json.loads(r.body) for r in requests] == ["new"]


def test_delete(app, side, job):
    """A deleted job does not come; deleting what is not there is 204"""
    assert side.job_put(job, dueTime=due(1.5), data=1, failurePolicy=RETRY).status == 204
    assert side.job_delete(job).status == 204
    assert side.job_delete(job).status == 204
    time.sleep(3)
    assert not app.to(f"/job/{job}")


def test_get(side, job, note):
    """A job can be read; one that is not there is an error"""
    side.job_put(job, dueTime=due(3600), data={"a": 1}, failurePolicy=RETRY)
    answer = side.job_get(job)
    assert answer.status == 200 and answer.json["dueTime"], answer
    side.job_delete(job)
    answer = side.job_get(job)
    assert answer.status >= 400, answer
    note(f"not there: {answer.status} {answer.code}")


def test_retried(app, side, job, note):
    """With a constant policy and no maximum a job is tried until a 2xx"""
    statuses = [503, 500, 422, 429, 503]
    came = []

    def answer(_):
        came.append(time.monotonic())
        return statuses.pop(0) if statuses else 204

    app.on(f"/job/{job}", answer)
    assert side.job_put(job, dueTime=due(0.2), data=1, failurePolicy=RETRY).status == 204
    app.wait(f"/job/{job}", 6, EXACT_SECONDS)
    time.sleep(2)
    assert len(came) == 6
    note("gaps of " + ", ".join(f"{b - a:.1f}" for a, b in zip(came, came[1:])) + " s for 503 500 422 429 503")


def test_not_found(app, side, job, note):
    """404 from a job's callback ends the job"""
    app.on(f"/job/{job}", lambda _: 404)
    assert side.job_put(job, dueTime=due(0.2), data=1, failurePolicy=RETRY).status == 204
    app.wait(f"/job/{job}", 1, EXACT_SECONDS)
    time.sleep(3)
    tries = len(app.to(f"/job/{job}"))
    note(f"tried {tries} times in 3 s")
    assert tries == 1


def test_drop(app, side, job):
    """With a drop policy a job that fails is not tried again"""
    app.on(f"/job/{job}", lambda _: 503)
    assert side.job_put(job, dueTime=due(0.2), data=1, failurePolicy={"drop": {}}).status == 204
    app.wait(f"/job/{job}", 1, EXACT_SECONDS)
    time.sleep(3)
    assert len(app.to(f"/job/{job}")) == 1


def test_default_policy(app, side, job, note):
    """A job that says nothing of failures is tried 1 + 3 times within seconds, and is gone"""
    app.on(f"/job/{job}", lambda _: 503)
    assert side.job_put(job, dueTime=due(0.2), data=1).status == 204
    app.wait(f"/job/{job}", 4, EXACT_SECONDS)
    wait_until("it is gone", lambda: side.job_get(job).status >= 400)
    time.sleep(2)
    assert len(app.to(f"/job/{job}")) == 4


def test_refused(side, job):
    """A job without a time, with its name in the body, or of a bad time is refused"""
    assert side.job_put(job, data=1).status == 400
    assert side.call("POST", f"/v1.0-alpha1/jobs/{job}", {"name": job, "dueTime": "1h"}).status == 400
    assert side.job_put(job, dueTime="when it rains").status >= 400


def test_stable_path(app, side, job, version, note):
    """/v1.0/jobs/ is served since 1.18; before, it is no path of the sidecar"""
    answer = side.job_put(job, "v1.0", dueTime=due(0.2), data=1, failurePolicy=RETRY)
    note(f"/v1.0/jobs: {answer.status} {answer.code or ''}".strip())
    if version < (1, 18):
        assert answer.status == 404, answer
        return
    assert answer.status == 204, answer
    app.wait(f"/job/{job}", 1, EXACT_SECONDS)


def test_many(app, side, note):
    """100 jobs of one second all come"""
    names = [f"rem-{uuid.uuid4()}" for _ in range(100)]
    at = due(3)
    for name in names:
        assert side.job_put(name, dueTime=at, data=name, failurePolicy=RETRY).status == 204
    wait_until("all came", lambda: all(app.to(f"/job/{name}") for name in names), EXACT_SECONDS)
    note(f"{sum(len(app.to(f'/job/{name}')) for name in names)} calls for 100 jobs")


def test_survives(backend, run_app, note):
    """Jobs survive a kill of scheduler, sidecar and app; those due meanwhile come when all are back, the others at their time, once

    DP11.
    """
    app, side = run_app("contract-survivor")
    soon, late = f"rem-{uuid.uuid4()}", f"rem-{uuid.uuid4()}"
    assert side.job_put(soon, dueTime=due(3), data="soon", failurePolicy=RETRY).status == 204
    assert side.job_put(late, dueTime=due(5 + backend.restart_seconds), data="late", failurePolicy=RETRY).status == 204
    # The scheduler's store writes to disk in intervals of 50 ms at the latest.
    time.sleep(0.5)
    backend.kill_scheduler()
    side.kill()
    app.stop()
    time.sleep(5)
    assert not app.to(f"/job/{soon}")
    started = time.monotonic()
    app.start()
    backend.start_scheduler()
    side.start()
    ready = time.monotonic() - started
    app.wait(f"/job/{soon}", 1, 90)
    note(f"ready after {ready:.0f} s, the overdue one came after {time.monotonic() - started:.0f} s")
    app.wait(f"/job/{late}", 1, 90)
    time.sleep(2)
    assert len(app.to(f"/job/{late}")) == 1


def test_waits_for_the_app(run_app, note):
    """A job whose app is away comes when it is back

    DP11.
    """
    app, side = run_app("contract-late")
    name = f"rem-{uuid.uuid4()}"
    assert side.job_put(name, dueTime=due(1), data=1, failurePolicy=RETRY).status == 204
    app.stop()
    time.sleep(4)
    app.start()
    started = time.monotonic()
    app.wait(f"/job/{name}", 1, EXACT_SECONDS)
    note(f"{time.monotonic() - started:.1f} s after")
