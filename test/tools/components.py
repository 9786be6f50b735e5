# SPDX-License-Identifier: Apache-2.0
"""
What dapr-components/local says, for those who are not daprd: the embedded sidecar is told the same by its own configuration.
"""
import glob
import os

import yaml

from real_stack import COMPONENTS, TOPICS

SEEN = ("pubsub.kafka", "state.postgresql", "secretstores.local.file")  # types of what scopes show and hide


def components():
    for path in sorted(glob.glob(f"{COMPONENTS}/*.yaml")):
        with open(path, encoding="utf-8") as f:
            yield from (d for d in yaml.safe_load_all(f) if d)


def metadata_of(name):
    document = next(d for d in components() if d["metadata"]["name"] == name)
    return {m["name"]: m.get("value", "") for m in document["spec"]["metadata"]}


def topics():
    """{topic: how many partitions}"""
    with open(TOPICS, encoding="utf-8") as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {name: int(partitions) for name, partitions, _ in rows}


def crons_of(role):
    """ROLE/NAME=SCHEDULE of each cron binding that a role has."""
    return [f"{role}/{d['metadata']['name']}={metadata_of(d['metadata']['name'])['schedule']}" for d in components()
            if d["spec"].get("type") == "bindings.cron" and role in d["scopes"]]


def configuration(role):
    with open(os.path.join(COMPONENTS, "config", f"{role}.yaml"), encoding="utf-8") as f:
        return yaml.safe_load(f)["spec"]


def listed(text, role):
    """Of "ROLE=A,B;ROLE=C" what stands for a role."""
    entries = dict(entry.strip().split("=") for entry in text.split(";"))
    return [name for name in entries.get(role, "").split(",") if name]


def callees(role):
    """Whose API a role may call."""
    names = sorted(name[:-len(".yaml")] for name in os.listdir(os.path.join(COMPONENTS, "config")))
    return [name for name in names
            if role in (p["appId"] for p in configuration(name)["accessControl"].get("policies", ()))]


def scopes_of(role):
    """What a role may do: ROLE/KIND=NAME ... of each kind."""
    pubsub = metadata_of("kafka-pubsub")
    kinds = {"publish": listed(pubsub["publishingScopes"], role), "subscribe": listed(pubsub["subscriptionScopes"], role),
             "secrets": configuration(role)["secrets"]["scopes"][0]["allowedSecrets"], "invoke": callees(role),
             "components": [d["metadata"]["name"] for d in components()
                            if role in d.get("scopes", ()) and d["spec"].get("type") in SEEN]}
    return [f"{role}/{kind}={' '.join(names)}" for kind, names in kinds.items()]
