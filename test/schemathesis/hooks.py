# SPDX-License-Identifier: Apache-2.0
"""
What Schemathesis sends, and what it must not call a failure.

Most random ids are those of nothing. So that handlers are reached, ids that fit the schema become ids of tasks and
reminders that are there; deletions have some of their own.

A finding is dropped only where one of EXPECTED says why the answer is right. Every answer still has to be one that the
document promises, in the form it promises, and no server error is expected but that of a role that is away.
"""
import atexit
import collections
import json
import os
import re
import uuid

import schemathesis

REMINDERS = {int(task): reminder for task, reminder in json.loads(os.environ["TODOD_REMINDERS"]).items()}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}


def is_uuid(value):
    try:
        return str(uuid.UUID(value)) == value
    except (ValueError, AttributeError, TypeError):
        return False


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Tasks 1 to 32 stay, 33 to 64 are there to be deleted."""
    if not path_parameters:
        return path_parameters
    number, reminder = path_parameters.get("id"), path_parameters.get("reminder_id")
    if isinstance(number, int) and not isinstance(number, bool) and number >= 1:
        is_deletion = context.operation.method.upper() == "DELETE"
        path_parameters["id"] = number % 32 + (33 if is_deletion else 1)
        if is_uuid(reminder):
            path_parameters["reminder_id"] = REMINDERS[path_parameters["id"]]
    return path_parameters


def problem_of(response):
    try:
        return json.loads(response.content)
    except ValueError:
        return {}


def places(response):
    """The loc of each thing that a 422 names, as text."""
    detail = problem_of(response).get("detail")
    return [".".join(map(str, item["loc"])) for item in detail] if isinstance(detail, list) else []


def unknown_method(failure, case, response):
    """RFC 9110, 15.6.2: a method that no resource here knows is 501. It is an answer of ours, not a fault."""
    del failure
    return response.status_code == 501 and case.method.upper() not in METHODS


def unwanted_body(failure, case, response):
    """A body with GET or HEAD is refused on purpose, and RFC 9110, 9.3.8, forbids one with TRACE."""
    del failure
    return response.status_code == 400 and case.method.upper() in ("GET", "HEAD", "TRACE")


def refused_for_another_reason(failure, case, response):
    """What is wrong in one place and is refused for another: too large (413), of a version that is gone (412)."""
    del failure, case
    return response.status_code in (412, 413)


def replayed(failure, case, response):
    """A repeated Idempotency-Key is answered as the first time, whatever else the repetition says; the contract wants it so."""
    del failure, case
    return response.headers.get("idempotency-replayed") is not None


def key_of_another_request(failure, case, response):
    """The same key with another body is 422; keys that the generator makes meet again."""
    del failure, case
    return response.status_code == 422 and places(response) == ["header.Idempotency-Key"]


def malformed_condition(failure, case, response):
    """The coverage phase sends If-Match without the quotes that its pattern asks for."""
    del failure
    sent = (case.headers or {}).get("If-Match", "")
    return response.status_code == 400 and not re.fullmatch(r'\*|"[0-9]+"', sent) and problem_of(response).get("field") == "header.If-Match"


def entity_tags_nobody_gave(failure, case, response):
    """RFC 9110, 13.1.2: an If-None-Match that matches nothing, however it is spelled, gives the representation."""
    del response
    return case.method.upper() == "GET" and ("`If-None-Match` in header" in failure.message or
                                             "/properties/If-None-Match" in failure.message)


def character_zero(failure, case, response):
    """U+0000 cannot be stored; a JSON Schema cannot exclude it from every string."""
    del failure, case
    return response.status_code == 400 and "U+0000" in str(problem_of(response).get("detail"))


def user_of_the_configuration(failure, case, response):
    """The path's user is always the token's, so a user that was made up was not sent."""
    del case, response
    return "`user_id` in path" in failure.message


def history_without_auditor(failure, case, response):
    """History is read from another role, which does not run here: 503, and when to try again."""
    del failure
    is_history = case.operation.path.endswith(("/history", "/audit"))
    return is_history and response.status_code == 503 and response.headers.get("retry-after") is not None


def links_without_their_key(failure, case, response):
    """What a link in a mail is checked by comes from the secret store, which is not here: 503, and when to try again."""
    del failure
    is_link = case.operation.path in ("/api/email/confirm", "/api/email/unsubscribe")
    return is_link and response.status_code == 503 and response.headers.get("retry-after") is not None


# Fields whose strings have a grammar or a meaning beyond what a schema can say.
BEYOND_SCHEMA = re.compile(
    r"body\.(due_date|due_at|time_zone|remind_at|recurrence(_rule|_pattern|_interval|_type|_end|_end_date|_mode)?|status|is_completed"
    r"|tags(\.\d+)?|title|name|email|locale|(default_reminder_)?offset(_minutes)?|reminders(\.\d+)?(\.(remind_at|offset_minutes))?)"
    r"|body|query\.(due_before|due_after|updated_since|cursor|deleted|tag|priority|status|search)(\.\d+)?")


def beyond_the_schema(failure, case, response):
    """A date that does not exist, a rule that never happens, a zone or cursor that is none, a tag of signs, a blank title,
    two names that contradict each other, an offset from no date: 422, and it says where."""
    del failure, case
    named = places(response)
    return response.status_code == 422 and bool(named) and all(BEYOND_SCHEMA.fullmatch(place) for place in named)


REJECTED = (unwanted_body, refused_for_another_reason, key_of_another_request, malformed_condition, character_zero, beyond_the_schema)
EXPECTED = {
    "ServerError": (unknown_method, history_without_auditor, links_without_their_key),
    "UnsupportedMethodResponse": (unknown_method, unwanted_body),
    "RejectedPositiveData": REJECTED,
    "AcceptedNegativeData": (refused_for_another_reason, replayed, entity_tags_nobody_gave, user_of_the_configuration),
}
dropped = collections.Counter()
atexit.register(lambda: print("\n".join(f"expected, {name}: {n}" for name, n in sorted(dropped.items())), flush=True))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    del context
    for is_right in EXPECTED.get(type(failure).__name__, ()):
        if is_right(failure, case, response):
            dropped[is_right.__name__] += 1
            return False
    return True
