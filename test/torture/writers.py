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
import time

from api_client import Api
from history import Part, Told

PAUSE_MAX_SECONDS = 1.0
TASKS_MAX = 40  # of one user; past it his writers delete
REMEMBERED = 20  # answers that a writer may ask for again
SOON_MIN_SECONDS = 2  # that far ahead, at least, are the times that come within the run
WRITERS_MAX = 40
DAY = datetime.timedelta(days=1)

Request = collections.namedtuple("Request", "kind method path body task reminder", defaults=[None])


def make_create(writer):
    body = {"title": writer.new_word()}
    if writer.random.random() < 0.7:
        body["due_date"] = writer.new_date()  # which brings a reminder
    return Request("create", "POST", writer.api.tasks, body, None)


def make_lonely(writer):
    """A task that nobody touches until its reminder has come."""
    return Request("create, left alone", "POST", writer.api.tasks, {"title": writer.new_word(), "due_date": writer.new_date(far=0)}, None)


def recurring(writer, **more):
    """Due a day before the next one is, which may be soon: then the successor's reminder comes within the run."""
    return {"title": writer.new_word(), "recurrence": "daily", "due_date": writer.new_date(-DAY if writer.random.random() < 0.5 else 0 * DAY),
            "reminders": [{"offset_minutes": 0}], **more}


def make_recurring(writer):
    return Request("create, recurring", "POST", writer.api.tasks, recurring(writer), None)


def make_done(writer):
    """Nobody reopens it."""
    return Request("create, done", "POST", writer.api.tasks, recurring(writer, completed=True), None)


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


def make_snooze(writer):
    picked = writer.user.pick_reminder(writer.random)
    return picked and Request("snooze", "PATCH", f"{writer.api.path(picked[0])}/reminders/{picked[1]}",
                              {"remind_at": writer.new_date()}, *picked)


def make_silence(writer):
    picked = writer.user.pick_reminder(writer.random)
    return picked and Request("silence", "DELETE", f"{writer.api.path(picked[0])}/reminders/{picked[1]}", None, *picked)


# name: (how often, what makes the request), of the writes; a user with many tasks gets no more.
OPERATIONS = {
    "create": (4, make_create),
    "create, recurring": (2, make_recurring),
    "create, left alone": (2, make_lonely),
    "create, done": (1, make_done),
    "edit": (5, make_edit),
    "due": (2, make_due),
    "toggle": (7, make_toggle),
    "snooze": (3, make_snooze),
    "silence": (1, make_silence),
    "delete": (3, make_delete),
}
FIRST = (make_lonely, make_done)  # so that each writer has made one
ALONE = ("create, left alone", "create, done")
# The share of rounds that read a task, ask again for an answer that was given, or look for tasks that recurrer made.
READS, REPEATS, LOOKS = 0.08, 0.05, 0.04


class User:
    """What the threads of a user have in common."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.tasks = []  # that are there, as far as anybody knows
        self.gone = set()  # and those that are left alone
        self.reminders = {}  # task -> ids

    def add(self, task, reminders, alone=False):
        with self.lock:
            if alone:
                self.gone.add(task)
            elif task not in self.gone and task not in self.tasks:
                self.tasks.append(task)
            self.reminders[task] = [r["id"] for r in reminders]

    def remove(self, task):
        with self.lock:
            self.gone.add(task)
            self.reminders.pop(task, None)
            if task in self.tasks:
                self.tasks.remove(task)

    def pick_reminder(self, rng):
        """(task, id of one of its reminders)"""
        with self.lock:
            found = [(task, ids) for task in self.tasks if (ids := self.reminders.get(task))]
            task, ids = rng.choice(found) if found else (None, None)
            return found and (task, rng.choice(ids))


class Writer(threading.Thread):
    """told: answers to writes; read: tasks, of answers to reads; errors: what must not be. soon: seconds; how far ahead are times
    that come within the run."""

    def __init__(self, number, user, apis, seed, pause, soon):
        super().__init__(daemon=True, name=f"writer-{number}")
        self.number, self.user, self.apis, self.pause, self.soon = number, user, apis, pause, soon
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

    def new_date(self, shift=0 * DAY, far=0.5):
        """None is like another one of these days: the same again would change nothing. far: the share of those that don't come within
        the run."""
        self.words += 1
        if self.random.random() < far:
            day = datetime.datetime(2100, 1, 1) + datetime.timedelta(days=self.number, minutes=self.words)
        else:
            day = datetime.datetime.utcnow() + shift + datetime.timedelta(seconds=self.random.uniform(SOON_MIN_SECONDS, self.soon))
        return day.strftime("%Y-%m-%dT%H:%M:%S.") + f"{(self.words * WRITERS_MAX + self.number) % 1000:03d}Z"

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

    def write(self, request):
        key = f"{self.name}-{self.answered.total()}"
        sent_at = time.time()
        answer = self.ask(request.kind, request.method, request.path, request.body, {"Idempotency-Key": key})
        self.note(request, answer, {"sent_at": sent_at, "answered_at": time.time()})
        if answer.status < 300:
            self.remembered.append((key, request, answer.status, answer.body))

    def tell(self, request, body, times, **more):
        self.told.append(Told(self.user.name, request.kind, request.task, body, **more, **times))

    def note(self, request, answer, times):
        status = answer.status
        if request.task is None and status == 201:
            self.tell(request._replace(task=answer.json["id"]), answer.json, times)
            self.user.add(answer.json["id"], answer.json["reminders"], alone=request.kind in ALONE)
        elif request.kind == "delete" and status == 204:
            self.tell(request, None, times)
            self.user.remove(request.task)
        elif request.reminder and status in (200, 204):
            reminder = answer.json if status == 200 else None
            version = int(answer.headers["etag"].strip('W/"'))
            self.tell(request, None, times, part=Part(version, request.reminder, reminder))
        elif request.task and request.kind != "delete" and status == 200:
            self.tell(request, answer.json, times)
            self.user.add(request.task, answer.json["reminders"])
        elif request.reminder and status == 404 and answer.json["code"] == "reminder_not_found":
            pass  # another thread removed it
        elif request.task and status == 404:
            self.tell(request, None, times, refused=True)
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

    def look_for_more(self):
        """Tasks that nobody told of: recurrer's. From now on they are written to as well."""
        answer = self.ask("list", "GET", self.api.tasks)
        if answer.status != 200:
            self.errors.append(f"{self.name}: a list: {answer}")
            return
        for task in answer.json:
            self.read.append(task)
            self.user.add(task["id"], task["reminders"])

    def round(self):
        lot, task = self.random.random(), self.pick()
        if lot < READS and task:
            self.look(task)
        elif lot < READS + REPEATS and self.remembered:
            self.ask_again()
        elif lot > 1 - LOOKS:
            self.look_for_more()
        else:
            self.write(self.next_request())

    def run(self):
        try:
            for make in FIRST:
                self.write(make(self))
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

    def __init__(self, deployment, openapi, seed, soon, users=8, threads=2, pause=0.4):
        self.users = [User(f"torture-{n}") for n in range(users)]
        instances = [i for i in deployment.instances if i.role == "chat-api"]
        self.all = []
        for n in range(users * threads):
            user = self.users[n % users]
            apis = [Api(i, deployment.token(user.name), user.name, openapi) for i in instances]
            self.all.append(Writer(n, user, apis, seed, pause, soon))

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
        return [e for writer in self.all for e in writer.errors]

    def reads(self):
        return [(writer.user.name, body) for writer in self.all for body in writer.read]

    def counts(self):
        """{operation: (answered, tries)}"""
        answered, tries = collections.Counter(), collections.Counter()
        for writer in self.all:
            answered += writer.answered
            tries += writer.tries
        return {kind: (answered[kind], tries[kind]) for kind in tries}
