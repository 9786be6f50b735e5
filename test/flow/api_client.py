# SPDX-License-Identifier: Apache-2.0
"""A client of the API that holds every answer it gets against the daemon's own OpenAPI document."""
import datetime
import http.client
import json
import re
import threading
import time

import jsonschema
import jwt

# What any answer may carry, beside what its operation documents.
STANDING_HEADERS = {"content-type", "content-length", "date", "connection", "keep-alive", "transfer-encoding",
                    "x-request-id", "x-content-type-options", "cache-control"}
PROBLEM_HEADERS = STANDING_HEADERS | {"www-authenticate", "retry-after", "allow"}
# Refusals of the server itself, which have no operation: bad heads, slow or large requests.
SERVER_STATUSES = {400, 404, 405, 408, 411, 413, 414, 417, 431, 501, 503, 505}

FORMATS = jsonschema.FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def is_utc_time(value):
    """Times go out in UTC, with Z."""
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value):
        return False
    datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return True


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def unique_keys(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice: {keys}"
    return dict(pairs)


def parse_json(body):
    """Stricter than json.loads: UTF-8, no NaN, no key twice."""
    return json.loads(body.decode("utf-8"), parse_constant=refuse_constant, object_pairs_hook=unique_keys)


class Answer:
    def __init__(self, method, path, status, headers, body):
        self.method = method
        self.path = path
        self.status = status
        self.header_list = headers
        self.headers = {}
        for name, value in headers:
            assert name.lower() not in self.headers, f"header {name} twice"
            self.headers[name.lower()] = value
        self.body = body

    @property
    def json(self):
        return parse_json(self.body)

    @property
    def media_type(self):
        return self.headers.get("content-type", "").split(";")[0].strip()

    def __repr__(self):
        return f"<{self.method} {self.path}: {self.status} {self.body[:300]!r}>"


def compile_pattern(pattern):
    return re.compile("^" + re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(pattern)) + "$")


class OpenApi:
    def __init__(self, document):
        assert document["openapi"] == "3.1.0"
        self.document = document
        self.resolver = jsonschema.RefResolver("", document)
        self.paths = [(compile_pattern(pattern), item) for pattern, item in document["paths"].items()]
        # Other paths to the same operations; a description is where OpenAPI has room for them.
        for pattern, item in document["paths"].items():
            for operation in item.values():
                aliases = re.match(r"Also at ((?:`[^`]+`(?:, )?)+);", operation.get("description", ""))
                for alias in re.findall(r"`([^`]+)`", aliases[1]) if aliases else []:
                    self.paths.append((compile_pattern(alias), document["paths"][pattern]))
        self.problem = document["components"]["responses"]["Problem"]
        self.validators = {}

    def operations(self):
        for pattern, item in self.document["paths"].items():
            for method, operation in item.items():
                yield method.upper(), pattern, operation

    def find(self, method, path):
        for pattern, item in self.paths:
            if pattern.match(path.split("?")[0]):
                return item.get("get" if method == "HEAD" else method.lower())
        return None

    def resolve(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def validator(self, schema):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            self.validators[key] = jsonschema.Draft202012Validator(schema, resolver=self.resolver,
                                                                   format_checker=FORMATS)
        return self.validators[key]

    def check(self, answer):
        assert answer.status != 500 and (answer.status < 500 or answer.status in (501, 503, 505)), answer
        operation = self.find(answer.method, answer.path)
        response = None
        if operation is not None and str(answer.status) in operation["responses"]:
            response = self.resolve(operation["responses"][str(answer.status)])
        if response is None:
            assert answer.status in SERVER_STATUSES, f"not documented: {answer}"
            assert operation is None or answer.status not in (404, 405), f"not documented: {answer}"
            response = self.problem
        self.check_headers(answer, operation, response)
        self.check_body(answer, response)
        if answer.status >= 400:
            self.check_problem(answer)

    def check_headers(self, answer, operation, response):
        documented = dict(response.get("headers", {}))
        if answer.status == 304:
            documented.update(self.resolve(operation["responses"]["200"]).get("headers", {}))
        known = {name.lower() for name in documented} | (PROBLEM_HEADERS if answer.status >= 400 else STANDING_HEADERS)
        assert set(answer.headers) <= known, f"headers nobody documented: {set(answer.headers) - known} of {answer}"
        for name, header in documented.items():
            if name.lower() in answer.headers:
                self.validator(header["schema"]).validate(answer.headers[name.lower()])

    def check_body(self, answer, response):
        content = response.get("content")
        if answer.method == "HEAD":
            assert answer.body == b"", answer
        elif content is None:
            assert answer.body == b"", answer
            assert "content-type" not in answer.headers, answer
        else:
            assert answer.media_type in content, f"media type {answer.media_type} of {answer}"
            schema = content[answer.media_type].get("schema")
            if schema is not None:
                self.validator(schema).validate(answer.json)

    def check_problem(self, answer):
        names = answer.headers
        assert ("www-authenticate" in names) == (answer.status == 401), answer
        assert ("allow" in names) == (answer.status == 405), answer
        if answer.status == 503:
            assert int(names["retry-after"]) >= 1, answer
        assert names["content-type"].startswith("application/problem+json"), answer
        if answer.method == "HEAD":
            return
        problem = answer.json
        assert problem["status"] == answer.status, answer
        assert problem.get("request_id") == names.get("x-request-id"), answer
        assert isinstance(problem["detail"], list) == (answer.status == 422), answer
        for item in problem["detail"] if answer.status == 422 else []:
            # A quota has no place in the request; everything else that is wrong has.
            assert item["loc"] or problem["code"] in ("task_quota", "tag_quota"), answer
            assert item["msg"] and item["type"], answer


def quote(text):
    return "".join(c if re.fullmatch(r"[A-Za-z0-9._~-]", c) else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


class Api:
    """One user's view of one daemon. Threads get connections of their own."""

    def __init__(self, daemon, token, user, openapi):
        self.daemon = daemon
        self.token = token
        self.user = user
        self.openapi = openapi
        self.local = threading.local()
        self.quoted = quote(user)
        self.tasks = f"/api/{self.quoted}/tasks"

    def connection(self):
        if getattr(self.local, "port", None) != self.daemon.port:
            self.close()
            self.local.connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
            self.local.port = self.daemon.port
        return self.local.connection

    def close(self):
        if getattr(self.local, "connection", None) is not None:
            self.local.connection.close()
        self.local.port = None

    def exchange(self, method, path, body, headers):
        connection = self.connection()
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(method, path, response.status, response.getheaders(), response.read())

    def request(self, method, path, body=None, headers=None, token=True):
        """body: bytes as they are, anything else as JSON. token: True is the user's own, None is none."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        if token is True:
            headers["Authorization"] = f"Bearer {self.token}"
        elif token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self.exchange(method, path, body, headers)
        except (http.client.RemoteDisconnected, http.client.CannotSendRequest, BrokenPipeError, ConnectionResetError):
            # A kept connection may be closed between two requests; the second try says what is really wrong.
            fresh = getattr(self.local, "fresh", True)
            self.close()
            if fresh:
                raise
            self.local.fresh = True
            answer = self.exchange(method, path, body, headers)
        except BaseException:
            self.close()
            raise
        self.local.fresh = False
        if self.openapi is not None:
            self.openapi.check(answer)
        return answer

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def create(self, title="a task", headers=None, **fields):
        """A new task, as the API shows it."""
        answer = self.request("POST", self.tasks, {"title": title, **fields}, headers)
        assert answer.status == 201, answer
        return answer.json

    def at(self, rest):
        """A path of the user's own."""
        return f"/api/{self.quoted}/{rest}"

    def tag_path(self, name):
        return self.at("tags/") + quote(name)

    def path(self, task):
        return f"{self.tasks}/{task['id'] if isinstance(task, dict) else task}"

    def read(self, task):
        answer = self.get(self.path(task))
        assert answer.status == 200, answer
        return answer.json

    def put(self, task, headers=None, **fields):
        return self.request("PUT", self.path(task), fields, headers)

    def update(self, task, **fields):
        """The task as it is then."""
        answer = self.put(task, **fields)
        assert answer.status == 200, answer
        return answer.json

    def prefer(self, **fields):
        answer = self.request("PUT", self.at("preferences"), fields)
        assert answer.status == 200, answer
        return answer.json

    def tags(self):
        answer = self.get(self.at("tags"))
        assert answer.status == 200, answer
        return answer.json

    def reminders(self, query=""):
        answer = self.get(self.at("reminders") + query)
        assert answer.status == 200, answer
        return answer.json

    def complete(self, task, body=None, headers=None):
        return self.request("PATCH", self.path(task) + "/complete", body, headers)

    def delete(self, task, headers=None):
        return self.request("DELETE", self.path(task), headers=headers)

    def list(self, query=""):
        answer = self.get(self.tasks + query)
        assert answer.status == 200, answer
        return answer.json


def sign(key, user, algorithm="EdDSA", headers=None, **claims):
    """A token as other programs make them."""
    now = int(time.time())
    payload = {"sub": user, "iat": now, "exp": now + 3600, **claims}
    return jwt.encode({k: v for k, v in payload.items() if v is not None}, key, algorithm=algorithm, headers=headers)


def ops(daemon, path):
    """(status, body) of the operations listener, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.ops_port, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8")
    finally:
        connection.close()


def metrics(daemon):
    """{name with its labels: value}"""
    lines = [line for line in ops(daemon, "/metrics")[1].splitlines() if line[:1] not in ("#", "")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
