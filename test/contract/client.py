# SPDX-License-Identifier: Apache-2.0
"""A client of the sidecar's HTTP API that knows its paths and nothing of who serves them."""
import http.client
import json
import urllib.parse
import uuid

PUBSUB = "kafka-pubsub"
STORE = "statestore"
SECRETS = "secrets"
ZERO_TIME = "2026-01-02T03:04:05.678901Z"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The errorCode; None where the body has none."""
        try:
            return self.json.get("errorCode")
        except (ValueError, AttributeError):
            return None

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


def new_event(event_id=None, **fields):
    """A complete CloudEvent, as todod publishes them. None takes a field away."""
    trace = f"00-{uuid.uuid4().hex}-00f067aa0ba902b7-01"
    event = {"specversion": "1.0", "id": event_id or str(uuid.uuid4()), "source": "/todod/contract",
             "type": "task.created", "subject": "42", "time": ZERO_TIME, "datacontenttype": "application/json",
             "traceparent": trace, "traceid": trace, "data": {"n": 1}, **fields}
    return {k: v for k, v in event.items() if v is not None}


class Client:
    def __init__(self, url, token=None):
        self.address = urllib.parse.urlsplit(url).netloc
        self.token = token

    def call(self, method, path, body=None, headers=None, timeout=30):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.token and "dapr-api-token" not in headers:
            headers["dapr-api-token"] = self.token
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            try:
                connection.request(method, path, body, {k: v for k, v in headers.items() if v is not None})
            except (BrokenPipeError, ConnectionResetError):
                if not body:
                    raise
                # A body that is too long may be refused before all of it was sent; the answer is there.
            return Answer(connection.getresponse())
        finally:
            connection.close()

    # ---- publish ----

    def publish(self, topic, event, key=None, pubsub=PUBSUB):
        query = f"?metadata.partitionKey={urllib.parse.quote(key, safe='')}" if key else ""
        return self.call("POST", f"/v1.0/publish/{pubsub}/{topic}{query}", event,
                         {"Content-Type": "application/cloudevents+json"})

    def publish_bulk(self, topic, entries, api="v1.0-alpha1", pubsub=PUBSUB):
        """entries: (id, event, key)."""
        body = [{"entryId": i, "event": event, "contentType": "application/cloudevents+json",
                 "metadata": {"partitionKey": key}} for i, event, key in entries]
        return self.call("POST", f"/{api}/publish/bulk/{pubsub}/{topic}", body)

    # ---- state ----

    def state_put(self, key, value, etag=None, first_write=False, ttl=None):
        item = {"key": key, "value": value}
        if etag is not None:
            item["etag"] = etag
        if first_write:
            item["options"] = {"concurrency": "first-write"}
        if ttl is not None:
            item["metadata"] = {"ttlInSeconds": str(ttl)}
        return self.call("POST", f"/v1.0/state/{STORE}", [item])

    def state_get(self, key):
        return self.call("GET", f"/v1.0/state/{STORE}/{urllib.parse.quote(key, safe='')}?consistency=strong")

    def state_delete(self, key, etag=None):
        return self.call("DELETE", f"/v1.0/state/{STORE}/{urllib.parse.quote(key, safe='')}",
                         headers={"If-Match": etag} if etag else None)

    # ---- jobs ----

    def job_put(self, name, api="v1.0-alpha1", **job):
        return self.call("POST", f"/{api}/jobs/{name}", job)

    def job_get(self, name, api="v1.0-alpha1"):
        return self.call("GET", f"/{api}/jobs/{name}")

    def job_delete(self, name, api="v1.0-alpha1"):
        return self.call("DELETE", f"/{api}/jobs/{name}")

    # ---- the rest ----

    def secret(self, name, store=SECRETS):
        return self.call("GET", f"/v1.0/secrets/{store}/{name}")

    def invoke(self, app_id, path, method="GET", body=None, headers=None):
        return self.call(method, f"/v1.0/invoke/{app_id}/method{path}", body, headers)

    def metadata(self):
        return self.call("GET", "/v1.0/metadata").json
