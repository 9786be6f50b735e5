# SPDX-License-Identifier: Apache-2.0
"""
Clients that do not give up: each write goes out with an Idempotency-Key of its own, and goes out again with it, to any
instance, after a 503 or a broken connection, until there is an answer. So every write is answered in the end, and what was
answered is known: there is no write of which a client does not know whether it happened.

Several threads write for each user, and to the same tasks. OPERATIONS is the table of what they do. Each one that is answered
with 2xx changes its task (a toggle is a plain one; titles and dates are never the same twice), which is what history.py relies on.
"""
import collections
import datetime
import http.client
import random
import threading

from api_client import Api
from history import Told, canonical

PAUSE_MAX_SECONDS = 1.0
TASKS_MAX = 40  # of one user; past it his writers delete
REMEMBERED = 20  # answers that a writer may ask for again

Request = collections.namedtuple("Request", "kind method path body task")


def make_create(writer):
    body = {"title": writer.new_word()}
    if writer.random.random() < 0.5:
        body["due_date"] = writer.new_date()  # which brings a reminder
    return Request("create", "POST", writer.api.tasks, body, None)


def make_edit(writer):
    task = writer.pick()
    return task and Request("edit", "PUT", writer.api.path(task), {"title": writer.new_word()}, task)


def make_due(writer):
    task = writer.pick()
    return task and Request("due", "PUT", writer.api.path(task), {"due_date": writer.new_date()}, task)


def make_toggle(writer):
    """Complete and reopen. The old call that says neither: sent twice it would undo itself, but for its key."""
    task = writer.pick()
    return task and Request("toggle", "PATCH", writer.api.path(task) + "/complete", None, task)


def make_delete(writer):
    task = writer.pick()
    return task and Request("delete", "DELETE", writer.api.path(task), None, task)


# name: (how often, what makes the request), of the writes; a user with many tasks gets no more.
OPERATIONS = {
    "create": (5, make_create),
    "edit": (6, make_edit),
    "due": (2, make_due),
    "toggle": (6, make_toggle),
    "delete": (3, make_delete),
}
READS, REPEATS = 0.1, 0.05  # the share of rounds that read a task, or ask again for an answer that was given


class User:
    """What the threads of a user have in common."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.tasks = []  # that are there, as far as anybody knows

    def add(self, task):
        with self.lock:
            self.tasks.append(task)

    def remove(self, task):
        with self.lock:
            if task in self.tasks:
                self.tasks.remove(task)


class Writer(threading.Thread):
    """told: answers to writes; read: (task, body, when) of answers to reads; errors: what must not be."""

    def __init__(self, number, user, apis, seed, pause):
        super().__init__(daemon=True, name=f"writer-{number}")
        self.number, self.user, self.apis, self.pause = number, user, apis, pause
        self.random = random.Random(f"{seed}/writer/{number}")
        self.api = apis[0]
        self.stopped = threading.Event()
        self.words = 0
        self.told, self.read, self.errors = [], [], []
        self.answered, self.tries = collections.Counter(), collections.Counter()
        self.remembered = collections.deque(maxlen=REMEMBERED)  # (key, request, status, body)

    # ---- what requests are made of ----

    def new_word(self):
        self.words += 1
        return f"{self.name} {self.words}"

    def new_date(self):
        self.words += 1
        day = datetime.datetime(2100, 1, 1) + datetime.timedelta(days=self.number, minutes=self.words)
        return day.strftime("%Y-%m-%dT%H:%M:%SZ")

    def pick(self):
        with self.user.lock:
            return self.random.choice(self.user.tasks) if self.user.tasks else None

    def next_request(self):
        if len(self.user.tasks) > TASKS_MAX:
            return make_delete(self)
        names = list(OPERATIONS)
        name = self.random.choices(names, [OPERATIONS[n][0] for n in names])[0]
        return OPERATIONS[name][1](self) or make_create(self)

    # ---- asking until there is an answer ----

    def ask(self, kind, method, path, body=None, headers=None):
        pause = 0.02
        while True:
            self.tries[kind] += 1
            try:
                answer = self.api.request(method, path, body, headers)
                if answer.status != 503:
                    self.answered[kind] += 1
                    return answer
            except (OSError, http.client.HTTPException):
                self.api.close()
            self.api = self.random.choice(self.apis)
            # Not the event: a writer that is told to stop still wants its answer.
            threading.Event().wait(pause * self.random.uniform(0.5, 1))
            pause = min(2 * pause, PAUSE_MAX_SECONDS)

    def write(self):
        request = self.next_request()
        key = f"{self.name}-{self.answered.total()}"
        answer = self.ask(request.kind, request.method, request.path, request.body, {"Idempotency-Key": key})
        self.note(request, answer)
        if answer.status < 300:
            self.remembered.append((key, request, answer.status, answer.body))

    def note(self, request, answer):
        status = answer.status
        if (request.kind, status) == ("create", 201):
            self.told.append(Told(self.user.name, request.kind, answer.json["id"], answer.json))
            self.user.add(answer.json["id"])
        elif request.kind == "delete" and status == 204:
            self.told.append(Told(self.user.name, request.kind, request.task, None))
            self.user.remove(request.task)
        elif request.kind not in ("create", "delete") and status == 200:
            self.told.append(Told(self.user.name, request.kind, request.task, answer.json))
        elif request.kind != "create" and status == 404:
            self.told.append(Told(self.user.name, request.kind, request.task, None, refused=True))
            self.user.remove(request.task)
        else:
            self.errors.append(f"{self.name}: {request} was answered with {answer}")

    def ask_again(self):
        """As a client that lost the answer: it gets the first one again, and nothing happens."""
        key, request, status, body = self.random.choice(self.remembered)
        answer = self.ask("again", request.method, request.path, request.body, {"Idempotency-Key": key})
        if (answer.status, answer.body) != (status, body):
            self.errors.append(f"{self.name}: {request} with {key} was answered with {status} {body}, then with {answer}")

    def look(self, task):
        answer = self.ask("read", "GET", self.api.path(task))
        if answer.status == 200:
            self.read.append(answer.json)
        elif answer.status != 404:
            self.errors.append(f"{self.name}: reading task {task}: {answer}")

    def round(self):
        lot, task = self.random.random(), self.pick()
        if lot < READS and task:
            self.look(task)
        elif lot < READS + REPEATS and self.remembered:
            self.ask_again()
        else:
            self.write()

    def run(self):
        try:
            while not self.stopped.is_set():
                self.round()
                self.stopped.wait(self.random.uniform(0, 2 * self.pause))
        except Exception as e:  # pylint: disable=broad-except
            self.errors.append(f"{self.name} gave up: {e!r}")
        finally:
            for api in self.apis:
                api.close()


class Writers:
    """users * threads of them. pause: seconds of a writer between two requests, so that consumers keep up."""

    def __init__(self, deployment, openapi, seed, users=8, threads=2, pause=0.2):
        self.users = [User(f"torture-{n}") for n in range(users)]
        instances = [i for i in deployment.instances if i.role == "chat-api"]
        self.all = []
        for n in range(users * threads):
            user = self.users[n % users]
            apis = [Api(i, deployment.token(user.name), user.name, openapi) for i in instances]
            self.all.append(Writer(n, user, apis, seed, pause))

    def start(self):
        for writer in self.all:
            writer.start()
        return self

    def finish(self, seconds):
        """Tells them to stop, and waits for their last answers. Whether all got theirs."""
        for writer in self.all:
            writer.stopped.set()
        for writer in self.all:
            writer.join(seconds)
        return not any(writer.is_alive() for writer in self.all)

    def told(self):
        return [t for writer in self.all for t in writer.told]

    def errors(self):
        """With reads that showed a task as nobody was told it is."""
        found = [e for writer in self.all for e in writer.errors]
        known = {canonical(t.body) for t in self.told() if t.body is not None}
        for writer in self.all:
            found += [f"{writer.name} read what nobody was told: {body}" for body in writer.read if canonical(body) not in known]
        return found

    def counts(self):
        """{operation: (answered, tries)}"""
        answered, tries = collections.Counter(), collections.Counter()
        for writer in self.all:
            answered += writer.answered
            tries += writer.tries
        return {kind: (answered[kind], tries[kind]) for kind in tries}
