# SPDX-License-Identifier: Apache-2.0
"""An app that takes longer than it is given."""
import json
import time

from client import new_event

TIMEOUT_SECONDS = 10  # of a delivery, in dapr-components/local/resiliency.yaml


def test_slow_handler(run_app, publisher, event, note):
    """A handler that takes longer than 10 s is asked again while it still works: the effect must be one transaction"""
    spans = []

    def answer(request):
        if event["id"].encode() in request.body:
            span = [time.monotonic(), None]
            spans.append(span)
            time.sleep(0 if len(spans) > 1 else TIMEOUT_SECONDS + 5)
            span[1] = time.monotonic()
        return 200

    app, _ = run_app("contract-slow", ["slow/"], functions=[("/events/t-slow", answer)])
    after = new_event()
    assert publisher.publish("t-slow", event, "user-1").status == 204
    assert publisher.publish("t-slow", after, "user-1").status == 204
    app.wait("/events/t-slow", 1, where=lambda r: json.loads(r.body)["id"] == after["id"])
    app.wait("/events/t-slow", 2, where=lambda r: json.loads(r.body)["id"] == event["id"])
    assert spans[0][1] is None or spans[1][0] < spans[0][1]
    assert spans[1][0] - spans[0][0] >= TIMEOUT_SECONDS - 0.5
    note(f"asked again after {spans[1][0] - spans[0][0]:.0f} s")
