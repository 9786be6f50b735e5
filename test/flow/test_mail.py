# SPDX-License-Identifier: Apache-2.0
"""Mails as Python's parser reads them: the same texts, nothing else, whatever titles and addresses hold."""
import base64
import datetime
import email
import email.policy
import email.utils
import html.parser
import json
import os
import random
import re
import subprocess
import unicodedata
import zoneinfo

import pytest

from process import BUILD, SANITIZER_REPORT, clean_env

DRIVER = os.path.join(BUILD, "test", "tools", "mail_driver")
HEADERS = ["Date", "From", "To", "Subject", "Message-ID", "List-Unsubscribe", "X-Correlation-ID", "Auto-Submitted", "MIME-Version",
           "Content-Type"]
# What must not reach a line of text for people as it is: controls, separators of lines, marks that turn the writing.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


def make(*requests):
    lines = "".join(json.dumps(r) + "\n" for r in requests)
    done = subprocess.run([DRIVER], input=lines.encode(), capture_output=True, env=clean_env(), timeout=300, check=True)
    assert not SANITIZER_REPORT.search(done.stderr.decode()), done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests)
    return answers


def parse(text):
    """The mail, after what any server may ask of its bytes."""
    data = text.encode("ascii")
    assert data.endswith(b"\r\n") and b"\0" not in data
    lines = data.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert not any(line.startswith(b".") for line in lines), "nothing that could end the mail"
    head, _, body = data.partition(b"\r\n\r\n")
    # Encoded words stand on lines of at most 76 characters (RFC 2047, 2), and so does what is quoted-printable.
    assert all(len(line) <= 76 for line in head.split(b"\r\n") if b"=?" in line)
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert not message.defects
    assert [name for name, _ in message.items()] == HEADERS
    parts = list(message.iter_parts())
    assert [p.get_content_type() for p in parts] == ["text/plain", "text/html"] and not any(p.defects for p in parts)
    assert not message.preamble and not (message.epilogue or "").strip()
    return message


class Page(html.parser.HTMLParser):
    """Tags, links, and text of each paragraph."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.paragraphs = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("h2", "p"):
            self.paragraphs.append("")
        self.links += [v for k, v in attrs if tag == "a" and k == "href"]
        assert tag in ("html", "head", "meta", "body", "h2", "p", "br", "a"), tag
        assert {k for k, _ in attrs} <= {"html": {"lang"}, "meta": {"charset"}, "a": {"href"}}.get(tag, set()), attrs

    def handle_data(self, data):
        if self.paragraphs and data.strip("\r\n"):
            self.paragraphs[-1] += data

    def handle_comment(self, data):
        raise AssertionError("a comment")


def seen(title):
    return UNSEEN.sub(" ", title)


def check(answer, title="a title", to="somebody@example.org"):
    message = parse(answer["mail"])
    wanted = "Reminder: " + seen(title)
    assert message["Subject"] == wanted
    assert message["To"] == f"<{to}>" or message["To"].addresses[0].addr_spec == to
    assert len(message["To"].addresses) == len(message["From"].addresses) == 1
    text = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    page = Page(message.get_body(("html",)).get_content())
    assert text.split("\n")[0] == wanted
    assert page.tags[3:5] == ["body", "h2"] and page.links == ["https://todod.example.org/"]
    assert page.paragraphs[0] == wanted
    return message, text, page


def test_the_parts_say_the_same():
    """FL5: HTML and text, subject, times in the user's zone."""
    answer, = make({"title": "Buy milk", "due_date": "2026-11-21T17:00:00Z", "time_zone": "Europe/Berlin", "from_name": "todod"})
    message, text, page = check(answer, "Buy milk")
    assert message["From"].addresses[0].display_name == "todod"
    assert email.utils.parsedate_to_datetime(message["Date"]) == datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.timezone.utc)
    assert message["Message-ID"] == "<id.1@example.org>" and message["List-Unsubscribe"] == "<https://x.example.org/u?t=a>"
    assert message["X-Correlation-ID"] == "the-request" and message["Auto-Submitted"] == "auto-generated"
    assert "Due: Saturday, 21 November 2026, 18:00 (Europe/Berlin)" in text
    assert "Reminder set for: Saturday, 21 November 2026, 13:00 (Europe/Berlin)" in text
    assert "UTC" not in text and "late" not in text
    assert [p for p in text.replace("at\nhttps", "athttps").split("\n\n") if p.strip()] == page.paragraphs


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", None])
def test_utc_is_noted(zone):
    """FL5: UTC, with a note."""
    answer, = make({"due_date": "2026-11-21T17:00:00Z", **({"time_zone": zone} if zone else {})})
    _, text, _ = check(answer)
    assert "17:00 UTC" in text and "Times are in UTC: your preferences name no other time zone." in text


def test_all_day():
    """FL5: a day is that day in every zone."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        answer, = make({"due_date": "2026-11-21", "time_zone": zone})
        assert "Due: Saturday, 21 November 2026\n" in check(answer)[1]


def test_times_of_every_zone():
    """FL5: as zoneinfo has them, over changes of the clocks."""
    random.seed(7)
    zones = random.sample(sorted(z for z in zoneinfo.available_timezones() if not z.startswith(("posix", "right", "Etc")) and z != "localtime"), 60)
    requests, wanted = [], []
    for zone in zones:
        for _ in range(4):
            when = datetime.datetime.fromtimestamp(random.randrange(0, 4102444800), datetime.timezone.utc)
            local = when.astimezone(zoneinfo.ZoneInfo(zone))
            requests.append({"time_zone": zone, "due_date": when.isoformat().replace("+00:00", "Z")})
            wanted.append(f"Due: {local:%A}, {local.day} {local:%B} {local.year}, {local:%H:%M}" +
                          (" UTC" if zone.endswith("UTC") else f" ({zone})"))
    for answer, line in zip(make(*requests), wanted):
        assert line in check(answer)[1]


@pytest.mark.parametrize("late_by, words", [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (3661, "1 hour 1 minute"),
                                            (7200, "2 hours"), (90061, "1 day 1 hour"), (86400 * 30 + 5, "30 days 5 seconds")])
def test_late(late_by, words):
    """PF5: what is late says by how much; on time it says nothing."""
    answer, on_time = make({"late_by": late_by}, {"late_by": 0})
    assert f"It comes {words} late, because" in check(answer)[1]
    assert "late" not in check(on_time)[1]


LETTERS = ["a", "B", "7", " ", "  ", "é", "ß", "漢", "😀", "👩‍👩‍👧", "\u0301", "\u00a0", "\u200b", "=", "?", "=?", "?=", "_", ".", "\t", "\r", "\n", "\r\n",
           "\x01", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200f", "<", ">", "&", '"', "'", ";", ",", ":", "@",
           "(", ")", "[", "]", "\\", "/", "%0d%0a", "&#13;&#10;", "=0D=0A", "=\r\n", "--=_todod", "--=_todod--", "From ", "\n.\n", "\r\n.\r\n", ".",
           "Bcc: x@example.com", "\r\nBcc: x@example.com", "\nTo: x@example.com", "\r\n\r\n<script>alert(1)</script>", "<script>", "</p>", "<!--", "-->",
           "<img src=x onerror=alert(1)>", "javascript:alert(1)", "=?UTF-8?B?SGk=?=", "=?utf-8?q?=0D=0ABcc:_x?=", "QUIT", "\r\nRCPT TO:<x@example.com>",
           "Content-Type: text/html", "charset=utf-7", "+ADw-script+AD4-", "{{7*7}}", "${x}", "%s%n", "\ufeff", "\ud7ff", "\ufffd", "\U0010ffff"]


def titles(count):
    random.seed(20261)
    made = {letter: None for letter in LETTERS}
    made |= {letter * 60: None for letter in LETTERS}
    made |= {a + b: None for a in LETTERS[:20] for b in LETTERS[:20]}
    while len(made) < count:
        made["".join(random.choice(LETTERS) for _ in range(random.randrange(1, 40)))] = None
    # As the API takes them: normal form C, 1 to 200 characters, without white space at the ends.
    fit = (unicodedata.normalize("NFC", t)[:200].strip() for t in made)
    return [t for t in fit if t and "\0" not in t]


def test_five_thousand_hostile_titles():
    """RL4, SE11: no header, no part, no tag, no line of the dialogue comes from a title; what people see of it is the title."""
    hostile = titles(5400)
    assert len(hostile) >= 5000
    for title, answer in zip(hostile, make(*({"title": t} for t in hostile))):
        check(answer, title)


def name_of_the_sender(mail):
    """As RFC 2047, 6.2 has it, which Python's parser does not: white space between encoded words is none."""
    head = mail.partition("\r\n\r\n")[0].replace("\r\n ", " ")
    phrase = re.search(r"^From: (.*) <todod@example\.org>\r?$", head, re.MULTILINE)[1]
    quoted = re.fullmatch(r'"([^"\\]*)"', phrase)
    if quoted:
        return quoted[1]
    assert re.fullmatch(r"(=\?UTF-8\?B\?[A-Za-z0-9+/]+={0,2}\?= ?)+", phrase), phrase
    return "".join(base64.b64decode(w).decode() for w in re.findall(r"=\?UTF-8\?B\?([^?]*)\?=", phrase))


def test_hostile_names_of_the_sender():
    names = [t[:100] for t in titles(600)]
    for name, answer in zip(names, make(*({"from_name": n} for n in names))):
        message = parse(answer["mail"])
        assert [a.addr_spec for a in message["From"].addresses] == ["todod@example.org"], name
        assert name_of_the_sender(answer["mail"]) == seen(name), name


ADDRESSES = ["", "a", "@", "a@", "@b.org", "a@b", "a b@c.org", "a@b c.org", "a@b.org ", " a@b.org", "a@b.org\r\n", "a@b.org\r\nBcc: x@y.org", "a@b.org\n",
             "a\0@b.org", "a@b.org\0", "<a@b.org>", "a@b.org>", "a@b.org, x@y.org", "a@b.org;x@y.org", '"a b"@c.org', "a@[127.0.0.1]", "a@b..org", ".a@b.org",
             "a.@b.org", "a..b@c.org", "a@-b.org", "a@b-.org", "ü@b.org", "a@bücher.example", "a(comment)@b.org", "a@b.org(comment)", "a@b@c.org",
             "a%0d%0a@b.org" * 20, "x" * 65 + "@b.org", "a@" + "b" * 64 + ".org", "a@" + "b." * 130 + "org", "a@b.org SIZE=1", "a@b.org> BODY=8BITMIME"]


@pytest.mark.parametrize("field", ["to", "from"])
def test_addresses_that_are_none(field):
    """SE11: nothing is written for them."""
    for address, answer in zip(ADDRESSES, make(*({field: a} for a in ADDRESSES))):
        assert "address" in answer.get("error", "") or ("\0" in address and "error" in answer), (address, answer)


def test_odd_addresses():
    odd = ["!#$%&'*+-/=?^_`{|}~@example.org", "a.b.c@x-1.example.co", "x" * 64 + "@" + ".".join(["y" * 46] * 4), "0@0.0", "A@B.C"]
    for address, answer in zip(odd, make(*({"to": a} for a in odd))):
        assert answer.get("mail"), (address, answer)
        check(answer, to=address)


@pytest.mark.parametrize("field, values", [
    ("message_id", ["", "a b@c", "a@b>", "<a@b", "a\r\nBcc: x@y.org", "ä@b", "a" * 300]),
    ("correlation_id", ["a b", "a\r\nBcc: x@y.org", "a\nb", "ü", "\x7f", "x" * 300]),
    ("unsubscribe_url", ["https://x/ y", "https://x>", "<https://x", "https://x\r\nBcc: x@y.org", "https://ü", "x" * 1000])])
def test_what_could_not_stand_in_a_header(field, values):
    """SE11"""
    for value, answer in zip(values, make(*({field: v} for v in values))):
        assert "cannot stand in the header" in answer.get("error", ""), (value, answer)


def test_long_headers_still_fit():
    answer, = make({"unsubscribe_url": "https://x/" + "t" * 880, "message_id": "m" * 240 + "@b.c", "correlation_id": "c" * 128})
    check(answer)
