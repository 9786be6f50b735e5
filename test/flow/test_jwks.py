# SPDX-License-Identifier: Apache-2.0
"""The key set of another issuer over time: it changes, it is asked for rarely, it may be out of reach."""
import socket
import time

from cryptography.hazmat.primitives.asymmetric import ed25519

from api_client import Api, ops, sign
from issuer import Issuer
from process import wait_until

MIN_INTERVAL_S = 30


def test_rotation_flood_and_outage(issuer, jwks_daemon, openapi, new_user):
    """SE1: a new key is found; a flood of unknown key ids costs one fetch; without the issuer the keys stay."""
    user = new_user()
    api = Api(jwks_daemon, issuer.sign("ed", user), user, openapi)
    wait_until("the key set", lambda: api.get(api.tasks).status == 200)
    # The daemon was started long before this test when the whole suite runs.
    time.sleep(max(0, jwks_daemon.started_at + MIN_INTERVAL_S + 1 - time.monotonic()))
    stranger = ed25519.Ed25519PrivateKey.generate()
    before = issuer.fetches
    issuer.published = ["new", "ec"]
    for i in range(100):
        assert api.get(api.tasks, token=sign(stranger, user, headers={"kid": f"unknown-{i}"})).status == 401
    assert issuer.fetches == before + 1
    assert api.get(api.tasks, token=issuer.sign("new", user)).status == 200
    assert api.get(api.tasks, token=issuer.sign("ec", user)).status == 200
    assert api.get(api.tasks, token=issuer.sign("ed", user)).status == 401, "also for a token seen and cached before"
    issuer.close()
    assert api.get(api.tasks, token=issuer.sign("new", user)).status == 200
    assert api.get(api.tasks, token=sign(stranger, user, headers={"kid": "still unknown"})).status == 401
    assert issuer.fetches == before + 1
    assert ops(jwks_daemon, "/readyz")[0] == 200


def test_issuer_that_comes_late(database, make_daemon, openapi, new_user):
    """SE1: before there are keys no token is good or bad: 503, until the issuer is there; no restart."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    daemon = make_daemon(database, auth__mode="jwks", auth__jwks_url=f"http://127.0.0.1:{port}/api/auth/jwks",
                         auth__key_file=None)
    user = new_user()
    api = Api(daemon, sign(ed25519.Ed25519PrivateKey.generate(), user), user, openapi)
    assert api.get(api.tasks).status == 503
    assert api.get(api.tasks, token="x.y.z").status in (401, 503)
    assert api.get("/health").status == 200
    late = Issuer(port)
    try:
        wait_until("keys", lambda: api.get(api.tasks, token=late.sign("rsa", user)).status == 200)
    finally:
        late.close()
    assert api.get(api.tasks, token=late.sign("ed", user)).status == 200
    daemon.stop()
