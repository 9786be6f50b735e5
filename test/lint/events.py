# SPDX-License-Identifier: Apache-2.0
"""
Lint about docs/events: against the last tag, schemas only grow. Readers of that release must understand the events of this one,
and readers of this one the events that still lie in topics, dead letters and the audit trail. So no key goes, none is
asked for that was not, none that was promised becomes optional, and a value is of the types it was. Enumerations may grow:
readers ignore what they do not know. What cannot be compared must stay as it is.
"""
import json
import subprocess

import source

DIRECTORY = "docs/events"
WORDS = {"$schema", "$id", "$defs", "$comment", "title", "description", "examples"}  # which bind nobody
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
COMPARED = {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "allOf", *LOWER, *UPPER}
JSON_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"),
              (type(None), "null"))


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=source.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)


def schemas_of(tag):
    names = git("ls-tree", "--name-only", f"{tag}:{DIRECTORY}").stdout.split()
    return {name: json.loads(git("show", f"{tag}:{DIRECTORY}/{name}").stdout) for name in names if name.endswith(".json")}


def schemas_now():
    return {path.rsplit("/", 1)[1]: json.loads(source.text(path)) for path in source.files(f"{DIRECTORY}/*.json")}


def resolve_keys(properties, name, schemas):
    """Here a key may be called as a word of the schema language is."""
    return {key: {} if value is True else resolve(value, name, schemas) for key, value in properties.items()}


def resolve(node, name, schemas):
    """With what it refers to in the place of each reference."""
    if isinstance(node, list):
        return [resolve(item, name, schemas) for item in node]
    if not isinstance(node, dict):
        return node
    if not isinstance(node.get("$ref"), str):
        return {key: resolve_keys(value, name, schemas) if key == "properties" else resolve(value, name, schemas)
                for key, value in node.items() if key not in WORDS}
    file, _, pointer = node["$ref"].partition("#/")
    target = schemas[file or name]
    for key in pointer.split("/"):
        target = target[key]
    return resolve(target, file or name, schemas)


def type_of(value):
    return next(name for kind, name in JSON_TYPES if isinstance(value, kind))


def values_of(node):
    """The values that it enumerates; None: it does not."""
    return [node["const"]] if "const" in node else node.get("enum")


def branches(node):
    return node["anyOf"] if isinstance(node, dict) and "anyOf" in node else [node]


def types_of(node):
    """None: any."""
    found = set()
    for branch in branches(node):
        values = values_of(branch)
        if values is not None:
            found |= {type_of(v) for v in values}
        elif "type" in branch:
            found |= {branch["type"]} if isinstance(branch["type"], str) else set(branch["type"])
        else:
            return None
    return found


def compare_types(old, new):
    before, now = types_of(old), types_of(new)
    if before is not None and (now is None or now - before):
        yield f"may be {' or '.join(sorted(now - before)) if now else 'anything'} now, which it could not"
    if now is not None and (before is None or before - now):
        yield f"may no longer be {' or '.join(sorted(before - now)) if before else 'anything'}"


def compare_values(old, new):
    before, now = values_of(old), values_of(new)
    if now is not None and before is None:
        yield "has become an enumeration"
    for value in before or []:
        if now is not None and value not in now:
            yield f"may no longer be {json.dumps(value)}"


def compare_bounds(old, new):
    for word in LOWER + UPPER:
        tighter = word in new and (word not in old or (new[word] > old[word] if word in LOWER else new[word] < old[word]))
        if tighter:
            yield f"{word} is {new[word]}, and was {old.get(word, 'not there')}"


def old_values_at(old, name):
    return values_of(old.get("properties", {}).get(name, {})) or []


def is_of_a_new_kind(condition, old):
    """Whether it binds only events of a kind that was not there: {"if": {"properties": {"type": {"const": new}}}, "then": ...}."""
    test = condition.get("if", {})
    names = test.get("properties", {}) if set(test) == {"properties"} else {}
    return set(condition) == {"if", "then"} and len(names) == 1 and all(
        old_values_at(old, name) and "const" in value and value["const"] not in old_values_at(old, name)
        for name, value in names.items())


def compare_conditions(old, new):
    before, now = old.get("allOf", []), new.get("allOf", [])
    if any(c not in now for c in before):
        yield "a condition of allOf was changed or taken away"
    for condition in now:
        if condition not in before and not is_of_a_new_kind(condition, old):
            yield "a new condition in allOf binds events that were there before"


def compare_keys(old, new, path):
    properties = new.get("properties", {})
    for name, value in old.get("properties", {}).items():
        if name not in properties:
            yield f"{path}.{name}: is gone"
        else:
            yield from compare(value, properties[name], f"{path}.{name}")
    before, now = set(old.get("required", [])), set(new.get("required", []))
    for name in sorted(now - before):
        yield f"{path}.{name}: is required now; older events need not have it"
    for name in sorted(before - now):
        yield f"{path}.{name}: is no longer required; readers count on it"


def compare_inside(word, old, new, path):
    """additionalProperties and items: a schema, or a boolean, or not there, which is true."""
    before, now = old.get(word, True), new.get(word, True)
    if isinstance(before, dict) and isinstance(now, dict):
        yield from compare(before, now, f"{path}[{word}]")
    elif now is not True and before is not False and before != now:
        yield f"{path}: {word} was {json.dumps(before)} and is narrower now"


def compare_branch(old, new, path):
    for finding in (*compare_values(old, new), *compare_bounds(old, new), *compare_conditions(old, new)):
        yield f"{path}: {finding}"
    for word in sorted((set(old) | set(new)) - COMPARED):
        if old.get(word) != new.get(word):
            yield f"{path}: {word} was {json.dumps(old.get(word))} and is {json.dumps(new.get(word))}"
    yield from compare_keys(old, new, path)
    for word in ("additionalProperties", "items"):
        yield from compare_inside(word, old, new, path)


def compare(old, new, path):
    """Findings; both without references."""
    for finding in compare_types(old, new):
        yield f"{path}: {finding}"
    candidates = branches(new)
    for branch in branches(old):
        fitting = [list(compare_branch(branch, c, path)) for c in candidates if (types_of(branch) or set()) <= (types_of(c) or set())]
        if fitting and all(fitting):
            yield from min(fitting, key=len)


def compare_all(before, now):
    for name, schema in sorted(before.items()):
        if name not in now:
            yield f"{DIRECTORY}/{name}: is gone"
            continue
        for finding in compare(resolve(schema, name, before), resolve(now[name], name, now), ""):
            yield f"{DIRECTORY}/{name}: {finding.lstrip('.')}"


def events():
    """EV6: against the last tag, the schemas of events only grow."""
    tag = git("describe", "--tags", "--abbrev=0").stdout.strip()
    now = schemas_now()
    if not tag:
        return [], f"{len(now)} schemas, compared with nothing: there is no tag yet"
    before = schemas_of(tag)
    return list(compare_all(before, now)), f"{len(now)} schemas, {len(before)} of {tag}"


LINTS = {"events": events}
