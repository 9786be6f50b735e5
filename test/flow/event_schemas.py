# SPDX-License-Identifier: Apache-2.0
"""EV5: the schemas of docs/events, compiled, which of them an event must fit, and what a schema cannot say."""
import glob
import json
import os

import fastjsonschema
import jsonschema

from api_client import parse_json
from process import ROOT

# The kinds of events that share a topic with others; else a topic has one kind.
FILES = {"task-events": "task-event.v1.json", "task-updates": "task-update.v1.json", "reminders": "reminder-event.v1.json"}
KINDS = {("task-events", "preferences.changed"): "preferences-event.v1.json", ("task-updates", "notification"): "notification-event.v1.json"}


def load(path):
    with open(path, encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


SCHEMAS = {os.path.basename(path): load(path) for path in glob.glob(os.path.join(ROOT, "docs", "events", "*.json"))}


def without_refs(node, name):
    """The schema with what it refers to in its place; what is left means the same in every draft."""
    if isinstance(node, list):
        return [without_refs(item, name) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        file, _, pointer = node["$ref"].partition("#/")
        target = SCHEMAS[file or name]
        for key in pointer.split("/"):
            target = target[key]
        return without_refs(target, file or name)
    return {key: without_refs(value, name) for key, value in node.items() if key not in ("$schema", "$id", "$defs")}


VALIDATE = {name: fastjsonschema.compile(without_refs(schema, name)) for name, schema in SCHEMAS.items()}


def validate(topic, event):
    VALIDATE[KINDS.get((topic, event["type"]), FILES[topic])](event)


def validate_all(rows):
    """rows: (topic, text). How many there are; the first one that does not fit is shown."""
    n = 0
    for topic, text in rows:
        try:
            validate(topic, json.loads(text))
        except fastjsonschema.JsonSchemaException as e:
            raise AssertionError(f"{e} in an event of {topic}: {text}") from e
        n += 1
    return n


def validate_outbox(database):
    return validate_all(database.stream("SELECT topic, event FROM todod.outbox ORDER BY id"))


def validate_records(database):
    """What lies at the embedded sidecar of what todod's roles publish; a test publishes other things too."""
    return validate_all(database.stream("""SELECT topic, text FROM (SELECT topic, part, pos, convert_from(body, 'UTF8') AS text
            FROM sidecar.records WHERE topic IN ('task-events', 'reminders', 'task-updates') AND body LIKE '{%"specversion"%'::bytea) r
        WHERE text::jsonb ->> 'source' IN ('chat-api', 'recurrer', 'notifier', 'auditor')
            AND text::jsonb ->> 'type' <> 'com.dapr.event.sent' ORDER BY topic, part, pos"""))


ENVELOPE_KEYS = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "partitionkey", "traceparent",
                 "traceid", "data"]
DATA_KEYS = ["event_id", "event_type", "user_id", "task_id", "timestamp", "sequence", "correlation_id", "causation_id",
             "metadata", "payload"]
def check_event(text, event_id, topic, part, user, sequence):
    """What a schema cannot say; against its schema each event is held when the session ends."""
    event = parse_json(text.encode())
    data, payload = event["data"], event["data"]["payload"]
    assert list(event) == ENVELOPE_KEYS and list(data) == DATA_KEYS
    assert 0 <= part <= 15
    assert event["id"] == data["event_id"] == event_id
    assert event["type"] == data["event_type"]
    assert event["source"] == data["metadata"]["source"] == "chat-api"
    assert event["partitionkey"] == data["user_id"] == user
    assert event["time"] == data["timestamp"]
    assert event["traceparent"] == event["traceid"]
    assert data["sequence"] == sequence
    assert not isinstance(data["causation_id"], str)
    if topic == "task-events" and event["type"] == "preferences.changed":
        assert event["subject"] == user
        return event
    assert event["subject"] == data["task_id"] == payload["task_id"]
    if topic == "reminders":
        assert payload["version"] == sequence
        return event
    task = payload["task"]
    assert payload["task_id"] == str(task["id"]) and task["user_id"] == user
    assert event["time"] == task["updated_at"] and task["version"] == sequence
    return event
