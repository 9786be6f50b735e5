# SPDX-License-Identifier: Apache-2.0
"""The schemas of docs/events, compiled, and which of them an event must fit."""
import glob
import json
import os

import fastjsonschema
import jsonschema

from process import ROOT

# Two kinds of events share a topic; every other topic has one.
FILES = {"task-events": "task-event.v1.json", "task-updates": "task-update.v1.json", "reminders": "reminder-event.v1.json"}
PREFERENCES = "preferences-event.v1.json"


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
    is_preferences = topic == "task-events" and event["type"].startswith("preferences.")
    VALIDATE[PREFERENCES if is_preferences else FILES[topic]](event)


def validate_outbox(database):
    """How many there are; the first one that does not fit is shown."""
    n = 0
    for topic, text in database.stream("SELECT topic, event FROM todod.outbox ORDER BY id"):
        try:
            validate(topic, json.loads(text))
        except fastjsonschema.JsonSchemaException as e:
            raise AssertionError(f"{e} in an event of {topic}: {text}") from e
        n += 1
    return n
