# SPDX-License-Identifier: Apache-2.0
"""
A mail server for tests: strict about what it is sent (RFC 5321: lines end in CRLF, no bare CR or LF, commands in their order,
nothing over 998 bytes), and as good or bad as it is told to be.
"""
import collections
import email
import email.policy
import re
import socket
import ssl
import threading
import time

from process import wait_until

LINE_MAX = 1000
ADDRESS = re.compile(rb"<([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)>")


class Mail(collections.namedtuple("Mail", "sender recipient data at")):
    """What was taken; data as it came, without the dots that the dialogue adds."""

    @property
    def message(self):
        return email.message_from_bytes(self.data, policy=email.policy.default)

    @property
    def text(self):
        return self.message.get_body(("plain",)).get_content()

    @property
    def html(self):
        return self.message.get_body(("html",)).get_content()

    @property
    def message_id(self):
        return self.message["Message-ID"]

    @property
    def subject(self):
        return self.message["Subject"]


class Violation(Exception):
    pass


class MailHost:
    """
    on(step, answer, recipient): step is connect, mail, rcpt, data or end; answer a reply, "" (hang up), bytes (garbage), a number of
    seconds of silence before the right reply, None (the right reply), or a function of how often that recipient was tried that
    gives one of them. Without a recipient it is for all.
    """

    def __init__(self, context=None, tls=False, login=None):
        self.context, self.tls, self.login = context, tls, login
        self.answers = {}
        self.mails, self.tries, self.violations = [], [], []
        self.lock = threading.Lock()
        self.sockets = set()
        self.listener = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.start()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        """Gone, with every connection."""
        if self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        for one in list(self.sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def on(self, step, answer, recipient=None):
        self.answers[step, recipient] = answer

    def answer(self, step, recipient):
        answer = self.answers.get((step, recipient), self.answers.get((step, None)))
        return answer(len(self.tries_of(recipient))) if callable(answer) else answer

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.sockets.add(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        try:
            Session(self, connection).serve()
        except Violation as e:
            self.violations.append(str(e))
        except OSError:
            pass
        finally:
            self.sockets.discard(connection)
            connection.close()

    def to(self, recipient):
        with self.lock:
            return [m for m in self.mails if m.recipient == recipient]

    def wait(self, recipient, n=1, seconds=60):
        return wait_until(f"{n} mails to {recipient}", lambda: (found := self.to(recipient)) and len(found) >= n and found, seconds)

    def tries_of(self, recipient):
        with self.lock:
            return [t for r, t in self.tries if r == recipient]


class Session:
    def __init__(self, host, connection):
        self.host, self.connection = host, connection
        self.buffer = b""
        self.recipient = None
        self.hung_up = False

    def send(self, text):
        self.connection.sendall(text if isinstance(text, bytes) else (text + "\r\n").encode())

    def reply(self, step, good):
        return self.say(self.host.answer(step, self.recipient), good)

    def say(self, answer, good):
        """Whether it was the right reply."""
        if isinstance(answer, (int, float)):
            time.sleep(answer)
            answer = None
        if answer == "":
            self.hung_up = True
            return False
        self.send(good if answer is None else answer)
        return answer is None

    def line(self):
        while b"\n" not in self.buffer:
            if len(self.buffer) > LINE_MAX:
                raise Violation(f"a line without end: {self.buffer[:80]!r}")
            more = self.connection.recv(65536)
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r") or b"\r" in line[:-1] or b"\0" in line:
            raise Violation(f"a line not ended by CRLF: {line!r}")
        if len(line) + 1 > LINE_MAX:
            raise Violation(f"a line of {len(line)} bytes")
        return line[:-1]

    def wrap(self):
        self.connection = self.host.context.wrap_socket(self.connection, server_side=True)
        self.buffer = b""

    def serve(self):
        if self.host.tls:
            self.wrap()
        if not self.reply("connect", "220 sink ESMTP"):
            return
        sender, is_secure, is_known = None, self.host.tls, self.host.login is None
        while (line := self.line()) is not None:
            word = line.split(b" ")[0].upper()
            if word in (b"EHLO", b"HELO"):
                more = "" if is_secure or self.host.context is None else "250-STARTTLS\r\n"
                self.send(f"250-sink\r\n{more}" + ("250-AUTH PLAIN\r\n" if self.host.login else "") + "250 SIZE 1000000")
            elif word == b"STARTTLS":
                self.send("220 go on")
                self.wrap()
                is_secure = True
            elif word == b"AUTH":
                is_known = self.log_in(line)
                self.send("235 hello" if is_known else "535 no")
            elif word == b"QUIT":
                self.send("221 bye")
                return
            elif not is_known:
                self.send("530 who are you?")
            elif line.upper().startswith(b"MAIL FROM:") and sender is None:
                m = ADDRESS.fullmatch(line[10:])
                if not m:
                    raise Violation(f"no address: {line!r}")
                sender = m[1].decode()
                if not self.reply("mail", "250 fine"):
                    sender = None
            elif line.upper().startswith(b"RCPT TO:") and sender and not self.recipient:
                m = ADDRESS.fullmatch(line[8:])
                if not m:
                    raise Violation(f"no address: {line!r}")
                self.recipient = m[1].decode()
                with self.host.lock:
                    self.host.tries.append((self.recipient, time.time()))
                if not self.reply("rcpt", "250 fine") and self.hung_up:
                    return
            elif word == b"DATA" and self.recipient:
                if (self.reply("data", "354 go on") and not self.take(sender)) or self.hung_up:
                    return
                sender = self.recipient = None
            else:
                raise Violation(f"out of order: {line!r}")

    def log_in(self, line):
        """AUTH PLAIN (RFC 4954), with the initial response or without."""
        if self.host.login is None:
            return False
        words = line.split(b" ")
        if len(words) == 2:
            self.send("334 ")
            words.append(self.line())
        return words[1].upper() == b"PLAIN" and words[2] == self.host.login

    def take(self, sender):
        lines = []
        while (line := self.line()) != b".":
            if line is None:
                return False
            if not all(c < 128 for c in line):
                raise Violation(f"not ASCII: {line!r}")
            lines.append(line[1:] if line.startswith(b".") else line)
        mail = Mail(sender, self.recipient, b"\r\n".join(lines) + b"\r\n", time.time())
        answer = self.host.answer("end", self.recipient)
        # A mail that is refused is none; one whose answer gets lost is one.
        if not (isinstance(answer, str) and answer):
            with self.host.lock:
                self.host.mails.append(mail)
        return self.say(answer, "250 taken")


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
