# SPDX-License-Identifier: Apache-2.0
"""Who is calling: tokens good and bad, on every route; and whose tasks they may reach."""
import base64
import hashlib
import hmac
import json
import socket
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from api_client import Api, sign
from conftest import pem_of, write_private
from database import COUNTED
from process import run, wait_until

SECRET = "shared-secret-of-the-old-clients-0123456789"


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def claims(user, **changes):
    now = int(time.time())
    merged = {"sub": user, "iat": now, "exp": now + 3600, **changes}
    return {k: v for k, v in merged.items() if v is not ...}


def raw_token(key, payload, header=None):
    """Signed with the right key, whatever header and payload are (bytes as they are)."""
    header = {"alg": "EdDSA", "typ": "JWT"} if header is None else header
    signed = f"{b64(header)}.{b64(payload)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def hs256(secret, user):
    signed = f"{b64({'alg': 'HS256', 'typ': 'JWT'})}.{b64(claims(user))}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def public_bytes(key, encoding, form):
    return key.public_key().public_bytes(encoding, form)


def flip(text, at):
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]


def bad_tokens(key, user):
    """name -> token that must be refused with 401."""
    good = sign(key, user)
    now = int(time.time())
    head, payload, signature = good.split(".")
    other = ed25519.Ed25519PrivateKey.generate()
    raw_public = public_bytes(key, serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    pem_public = public_bytes(key, serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der_public = public_bytes(key, serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ok = claims(user)
    return {
        "expired": sign(key, user, exp=now - 60),
        "expired long ago": sign(key, user, iat=1, exp=2),
        "not yet valid": sign(key, user, nbf=now + 120),
        "issued in the future": sign(key, user, iat=now + 120),
        "no expiry": raw_token(key, claims(user, exp=...)),
        "expiry as text": raw_token(key, claims(user, exp=str(now + 60))),
        "expiry null": raw_token(key, claims(user, exp=None)),
        "expiry out of range": raw_token(key, json.dumps(ok).replace(str(ok["exp"]), "1e400").encode()),
        "alg none": f"{b64({'alg': 'none'})}.{payload}.",
        "alg None": f"{b64({'alg': 'None', 'typ': 'JWT'})}.{payload}.{signature}",
        "alg nOnE": f"{b64({'alg': 'nOnE'})}.{payload}.{signature}",
        "alg missing": raw_token(key, ok, {"typ": "JWT"}),
        "alg null": raw_token(key, ok, {"alg": None}),
        "alg list": raw_token(key, ok, {"alg": ["EdDSA"]}),
        "alg of another key": raw_token(key, ok, {"alg": "ES256"}),
        "HS256 with the public key": hs256(raw_public, user),
        "HS256 with the public key in PEM": hs256(pem_public, user),
        "HS256 with the public key in DER": hs256(der_public, user),
        "HS256 with the text of the public key": hs256(b64(raw_public).encode(), user),
        "HS256 with nothing": hs256(b"", user),
        "another key": sign(other, user),
        "unknown kid": sign(key, user, headers={"kid": "nobody"}),
        "kid null": raw_token(key, ok, {"alg": "EdDSA", "kid": None}),
        "kid a path": sign(key, user, headers={"kid": "../../../../dev/null"}),
        "kid SQL": sign(key, user, headers={"kid": "' OR 1=1 --"}),
        "crit": sign(key, user, headers={"crit": ["exp"]}),
        "b64": raw_token(key, ok, {"alg": "EdDSA", "b64": False}),
        "own key (jwk)": raw_token(other, ok, {"alg": "EdDSA", "jwk": {
            "kty": "OKP", "crv": "Ed25519",
            "x": b64(public_bytes(other, serialization.Encoding.Raw, serialization.PublicFormat.Raw))}}),
        "own key (jku)": raw_token(other, ok, {"alg": "EdDSA", "jku": "http://127.0.0.1:9/jwks"}),
        "another type": raw_token(key, ok, {"alg": "EdDSA", "typ": "secevent+jwt"}),
        "no user": raw_token(key, claims(user, sub=...)),
        "user null": raw_token(key, claims(user, sub=None)),
        "user a number": raw_token(key, claims(user, sub=7)),
        "user empty": raw_token(key, claims(user, sub="")),
        "user with a line break": raw_token(key, claims(user, sub=user + "\n")),
        "user of 129 bytes": raw_token(key, claims(user, sub="x" * 129)),
        "user with a NUL": raw_token(key, claims(user, sub=user + "\0x")),
        "user twice": raw_token(key, json.dumps(ok).replace('"sub"', '"sub":"root","sub"').encode()),
        "payload changed": f"{head}.{b64(claims('root'))}.{signature}",
        "payload of another token": f"{head}.{sign(other, user).split('.')[1]}x.{signature}",
        "payload no JSON": raw_token(key, b"hello"),
        "payload a list": raw_token(key, b"[1]"),
        "payload empty": raw_token(key, b""),
        "payload not UTF-8": raw_token(key, json.dumps(ok).replace(user, "\\ud800").encode()),
        "header no JSON": raw_token(key, ok, b"hello"),
        "signature changed": f"{head}.{payload}.{flip(signature, 5)}",
        "signature cut": good[:-4],
        "signature empty": f"{head}.{payload}.",
        "signature of zeros": f"{head}.{payload}.{b64(bytes(64))}",
        "signature doubled": good + signature,
        "padding": good + "==",
        "last bits not zero": f"{head}.{payload}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
        "standard base64": f"{head}.{payload}.{signature[:-4]}++//",
        "two parts": f"{head}.{payload}",
        "four parts": good + ".x",
        "five parts": f"{good}.{payload}.{signature}",
        "one word": "x",
        "dots": "..",
        "over 6 KiB": sign(key, user, padding="x" * 5000),
    }


def bad_headers(key, user):
    """name -> whole Authorization header that must be refused with 401."""
    good = sign(key, user)
    return {"": None, "nothing": "", "scheme only": "Bearer", "scheme and space": "Bearer ", "another scheme": f"Basic {good}",
            "no scheme": good, "no space": f"Bearer{good}", "two tokens": f"Bearer {good} {good}",
            "a comma": f"Bearer {good}, Bearer {good}", "a quote": f'Bearer "{good}"', "a parameter": f"Bearer token={good}",
            "a tab": f"Bearer\t{good}"}


def operations(openapi):
    return [(method, pattern) for method, pattern, operation in openapi.operations() if operation.get("security") != []]


def call(api, method, pattern, user, task, token=None, headers=None):
    """A request of that operation which is good, if the token is; the task has a reminder, and the tag `t`."""
    path = pattern.replace("{user_id}", user).replace("{id}", str(task["id"])).replace("{name}", "t")
    path = path.replace("{reminder_id}", task["reminders"][0]["id"])
    body = None
    if method in ("POST", "PUT", "PATCH"):
        name = f"t{len(path)}" if method == "POST" else "t"
        body = {"title": "t", "name": name, "completed": False, "locale": "en"}
        if "reminders" in pattern:
            body["remind_at"] = "2099-01-01T00:00:00Z"
    return api.request(method, path, body, headers, token=token)


def create_whole(api, title):
    """A task with something of everything that routes lead to."""
    return api.create(title, tags=["t"], due_date="2098-01-01T00:00:00Z", reminders=[{"offset_minutes": 5}])


def snapshot(database, user):
    return [database.rows(f"SELECT xmin::text, ctid::text, * FROM todod.{table} WHERE user_id = %s ORDER BY 1, 2", user)
            for table in (*COUNTED, "user_counters")]


def test_every_route_refuses_every_bad_token(api, database, signing_key):
    """SE1: each operation of /openapi.json that is not public, with each bad token: 401, and nothing is touched."""
    task = create_whole(api, "mine")
    before = snapshot(database, api.user)
    headers = {name: f"Bearer {token}" for name, token in bad_tokens(signing_key, api.user).items()}
    headers.update(bad_headers(signing_key, api.user))
    routes = operations(api.openapi)
    assert len(routes) >= 18 and len(headers) >= 60
    for method, pattern in routes:
        for name, value in headers.items():
            sent = {} if value is None else {"Authorization": value}
            answer = call(api, method, pattern, api.quoted, task, headers=sent)
            assert answer.status == 401, f"{name}: {answer}"
    assert snapshot(database, api.user) == before
    for method, pattern in routes:
        if method != "DELETE":
            # History is the auditor's, who is not there.
            good = (503,) if pattern.endswith(("/history", "/audit")) else (200, 201)
            assert call(api, method, pattern, api.quoted, task, api.token).status in good


def test_refusals_tell_nothing_of_the_token(api, signing_key):
    """SE6: no part of a token or a key comes back, or goes to the log."""
    for name, token in bad_tokens(signing_key, api.user).items():
        answer = api.get(api.tasks, token=token)
        assert answer.status == 401, name
        for part in token.split("."):
            if len(part) >= 20:
                assert part.encode() not in answer.body, name
                assert part not in api.daemon.stdout(), name


def test_good_tokens(api, signing_key):
    """SE1: what other programs may well send."""
    now = int(time.time())
    good = {
        "plain": sign(signing_key, api.user),
        "no type": raw_token(signing_key, claims(api.user), {"alg": "EdDSA"}),
        "at+jwt": sign(signing_key, api.user, headers={"typ": "at+jwt"}),
        "expired within the leeway": sign(signing_key, api.user, exp=now - 5),
        "a clock ahead within the leeway": sign(signing_key, api.user, iat=now + 5, nbf=now + 5),
        "no iat": raw_token(signing_key, claims(api.user, iat=...)),
        "exp with a fraction": raw_token(signing_key, claims(api.user, exp=now + 60.5)),
        "other claims": sign(signing_key, api.user, name="Ä", roles=["a"], nested={"x": [1, None]}, iss="x", aud=["y"]),
        "id instead of sub": raw_token(signing_key, claims(api.user, sub=..., id=api.user)),
        "nearly 6 KiB": sign(signing_key, api.user, padding="x" * 4200),
    }
    for name, token in good.items():
        for _ in range(2):
            assert api.get(api.tasks, token=token).status == 200, name
    for value in (f"bearer {api.token}", f"BEARER   {api.token}"):
        assert api.request("GET", api.tasks, headers={"Authorization": value}, token=None).status == 200


def test_token_of_the_command_is_good(api, key_file):
    """SE1: todod token, checked by another implementation too."""
    done = run("token", "--user", api.user, "--ttl", "60", env={"TODOD_AUTH_KEY_FILE": key_file})
    assert done.returncode == 0
    token = done.stdout.strip()
    assert api.get(api.tasks, token=token).status == 200
    read = jwt.decode(token, options={"verify_signature": False})
    assert read["sub"] == api.user and read["exp"] - read["iat"] == 60


def test_two_tokens_are_none(daemon, api):
    """SE1: of two Authorization headers neither is chosen."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as s:
        s.sendall(f"GET {api.tasks} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n"
                  f"authorization: Bearer {api.token}\r\n\r\n".encode())
        assert s.makefile("rb").readline().startswith(b"HTTP/1.1 400 ")


def test_other_users_path_is_403(daemon, connect_api, api, database):
    """SE2: each operation of the API with a path user that is not the token's: 403, nothing written or read."""
    victim = connect_api(daemon)
    task = create_whole(victim, "private")
    before = snapshot(database, victim.user), snapshot(database, api.user)
    paths = [victim.quoted, victim.quoted + "%20", victim.quoted.upper(), "x" + api.quoted, api.quoted + "x", "root", "%20",
             "me", "x" * 128]
    for method, pattern in operations(api.openapi):
        assert "{user_id}" in pattern
        for user in paths:
            answer = call(api, method, pattern, user, task, api.token)
            assert answer.status == 403, answer
            assert b"private" not in answer.body
    assert (snapshot(database, victim.user), snapshot(database, api.user)) == before


def test_other_users_task_is_404(daemon, connect_api, api, database):
    """SE2: under my own path, somebody else's task is not there, and no row of it is touched."""
    victim = connect_api(daemon)
    task = victim.create("private")
    mine = api.create("mine")
    before = snapshot(database, victim.user), snapshot(database, api.user)
    for headers in ({}, {"If-Match": "*"}, {"If-Match": '"1"'}, {"Idempotency-Key": "k"}):
        for answer in (api.get(api.path(task), headers={}), api.delete(task, headers), api.complete(task, None, headers),
                       api.complete(task, {"completed": True}, headers)):
            assert answer.status == 404, answer
            assert b"private" not in answer.body
    assert (snapshot(database, victim.user), snapshot(database, api.user)) == before
    missing = api.get(api.tasks + "/999999999").json
    foreign = api.get(api.path(task)).json
    assert {k: v for k, v in missing.items() if k != "request_id"} == \
        {k: v for k, v in foreign.items() if k != "request_id"}, "existence does not show"
    assert api.list() == [mine]


# ---- secret mode: the old clients share a secret with us ----

@pytest.fixture(scope="module")
def secret_daemon(database, make_daemon, tmp_path_factory):
    path = write_private(tmp_path_factory.mktemp("secret") / "secret", SECRET.encode() + b"\n")
    return make_daemon(database, auth__mode="secret", auth__secret_file=path, auth__key_file=None,
                       auth__issuer="https://issuer.example", auth__audience="todod")


def test_secret_mode(secret_daemon, openapi, new_user):
    """SE1: HS256 with the shared secret, and issuer and audience as configured; nothing else."""
    user = new_user()
    parties = {"iss": "https://issuer.example", "aud": "todod"}
    api = Api(secret_daemon, sign(SECRET, user, "HS256", **parties), user, openapi)
    assert api.create("t")["user_id"] == user
    good = [sign(SECRET, user, "HS256", **{**parties, "aud": ["other", "todod"]}),
            sign(SECRET, user, "HS256", headers={"kid": "any"}, **parties)]
    bad = {
        "another secret": sign(SECRET + "x", user, "HS256", **parties),
        "the secret and its line end": sign(SECRET + "\n", user, "HS256", **parties),
        "HS512": sign(SECRET, user, "HS512", **parties),
        "HS384": sign(SECRET, user, "HS384", **parties),
        "EdDSA": sign(ed25519.Ed25519PrivateKey.generate(), user, **parties),
        "alg none": f"{b64({'alg': 'none'})}.{b64(claims(user, **parties))}.",
        "wrong issuer": sign(SECRET, user, "HS256", **{**parties, "iss": "https://issuer.example/"}),
        "no issuer": sign(SECRET, user, "HS256", aud="todod"),
        "issuer list": sign(SECRET, user, "HS256", **{**parties, "iss": None}, **{"ISS": "https://issuer.example"}),
        "wrong audience": sign(SECRET, user, "HS256", **{**parties, "aud": "tododx"}),
        "no audience": sign(SECRET, user, "HS256", iss="https://issuer.example"),
        "empty audience": sign(SECRET, user, "HS256", **{**parties, "aud": []}),
        "expired": sign(SECRET, user, "HS256", **parties, exp=int(time.time()) - 60),
    }
    for token in good:
        assert api.get(api.tasks, token=token).status == 200
    for name, token in bad.items():
        assert api.get(api.tasks, token=token).status == 401, name
    assert SECRET not in secret_daemon.stdout() + secret_daemon.stderr()


# ---- jwks mode: another issuer; test_jwks.py goes on with the same daemon ----

def test_jwks_mode(issuer, jwks_daemon, openapi, new_user, signing_key):
    """SE1: EdDSA, ES256 and RS256 by the issuer's set, whose keys carry no alg or use."""
    user = new_user()
    api = Api(jwks_daemon, issuer.sign("ed", user), user, openapi)
    wait_until("the key set", lambda: api.get(api.tasks).status == 200)
    for name in ("ed", "ec", "rsa"):
        assert api.get(api.tasks, token=issuer.sign(name, user)).status == 200, name
        assert api.get(api.tasks, token=issuer.sign(name, user, kid=False)).status == 200, name
    foreign = {
        "ed": ed25519.Ed25519PrivateKey.generate(), "ec": ec.generate_private_key(ec.SECP256R1()),
        "rsa": rsa.generate_private_key(65537, 2048)}
    for name, key in foreign.items():
        algorithm = issuer.algorithms[name]
        assert api.get(api.tasks, token=sign(key, user, algorithm, headers={"kid": name})).status == 401, name
        assert api.get(api.tasks, token=sign(key, user, algorithm)).status == 401, name
    assert api.get(api.tasks, token=sign(signing_key, user)).status == 401
    assert api.get(api.tasks, token=issuer.sign("ed", user, named="ec")).status == 401, "the key of another algorithm"
    rsa_public = public_bytes(issuer.keys["rsa"], serialization.Encoding.PEM,
                              serialization.PublicFormat.SubjectPublicKeyInfo)
    assert api.get(api.tasks, token=hs256(rsa_public, user)).status == 401
    assert pem_of(issuer.keys["ed"]).decode().splitlines()[1] not in jwks_daemon.stdout()
