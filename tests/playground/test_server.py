"""The server: access control, commands, several browsers, and malformed messages."""

import http.client
import json
import random
import socket
import time

import numpy as np
import pytest
from tests.playground.helpers import TOKEN, Client, served
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deltarule.playground import RunSettings
from deltarule.playground.access_control import refusal_reason
from deltarule.playground.client_messages import MOST_BYTES
from deltarule.playground.settings import ranges


@pytest.fixture(scope="module")
def server():
    with served() as found:
        yield found


@pytest.fixture
def client(server):
    with server.client() as found:
        found.settle()
        yield found
        found.do("setup", settings={"data": "moons", "rows": 300, "layers": [4, 3], "loss": ""})


def get(server, path, **headers):
    """(status, headers, body) of a request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"Host": f"127.0.0.1:{server.port}"} | headers).items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


# -- access control -------------------------------------------------------------------------


PATHS = ["/", "/who", "/payload", "/export/run.py", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?token=",
        "?token=wrong",
        f"?token={TOKEN[:-1]}",
        f"?token={TOKEN}x",
        f"?token={TOKEN}&token={TOKEN}",
        f"?Token={TOKEN}",
        "?token=%ff%fe",
        "?" + "&".join(f"a{i}=1" for i in range(50)),
    ],
)
def test_requests_without_the_token_are_refused(server, path, query):
    status, _, body = get(server, path + query)
    assert status == 403
    assert TOKEN.encode() not in body
    assert server.playground.boot.encode() not in body


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost",
     "127.0.0.1.evil.example:{port}", "localhost.:{port}", "[::1]:{port}", "0.0.0.0:{port}",
     "localhost.evil.com:{port}", "127.1:{port}", "2130706433:{port}", "user@127.0.0.1:{port}"],
)  # fmt: skip
def test_another_host_is_refused(server, host):
    host = None if host is None else host.format(port=server.port)
    status = get(server, f"/?token={TOKEN}", Host=host)[0]
    assert status in ((400, 403) if host is None else (403,))


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://evil.example:{port}", "http://127.0.0.1:1", "null", "",
     "https://127.0.0.1:{port}", "http://127.0.0.1", "http://localhost:{port}.evil.example",
     "file://", "http://[::1]:{port}", "http://0.0.0.0:{port}", "http://localhost.evil.com:{port}",
     "http://127.0.0.1:{port}, http://evil.example", "http://127.0.0.1:{port}/"],
)  # fmt: skip
def test_another_origin_is_refused(server, origin):
    origin = origin.format(port=server.port)
    assert get(server, f"/payload?token={TOKEN}", Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus) as error, Client(server, origin=origin):
        pass
    assert error.value.response.status_code == 403


def test_the_host_is_compared_without_case(server):
    assert get(server, f"/who?token={TOKEN}", Host=f"LOCALHOST:{server.port}")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/export/../../../etc/passwd", "/export/..%2f..%2fetc%2fpasswd",
     "/export/run.py%00.txt", "/assets/playground.js", "//etc/passwd", "/export/%2e%2e"],
)  # fmt: skip
def test_unknown_paths_are_not_found(server, path):
    status, _, body = get(server, f"{path}?token={TOKEN}")
    assert status == 404
    assert b"root:" not in body


@pytest.mark.parametrize("path", [*PATHS[:-1], "/payload?rows=all", "/export/nothing"])
def test_responses_forbid_caching_framing_and_referer(server, path):
    for token in (TOKEN, "wrong"):
        _, headers, _ = get(server, f"{path}{'&' if '?' in path else '?'}token={token}")
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"


def test_a_websocket_needs_an_origin_header(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(
            f"GET /live?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert b" 403 " in raw.recv(4096).splitlines()[0]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x"])
def test_a_websocket_needs_the_token(server, token):
    with pytest.raises(InvalidStatus) as error, Client(server, token=token):
        pass
    assert error.value.response.status_code == 403


def test_the_host_localhost_is_accepted(server):
    place = f"localhost:{server.port}"
    status, _, _ = get(server, f"/?token={TOKEN}", Host=place, Origin=f"http://{place}")
    assert status == 200


def test_the_default_port_80_may_be_omitted():
    def refused(host, port):
        origin = [(b"host", host), (b"origin", b"http://" + host)]
        return refusal_reason(TOKEN, port, origin, f"token={TOKEN}", websocket=True)

    assert refused(b"127.0.0.1", 80) == refused(b"localhost:80", 80) == ""
    assert "the Host is '127.0.0.1'" in refused(b"127.0.0.1", 8000)
    assert "the Host is 'evil.example'" in refused(b"evil.example", 80)


def test_the_server_listens_on_127_0_0_1_only(server):
    assert server.playground.runner is server.runner
    own = [
        info[4][0]
        for info in socket.getaddrinfo(socket.gethostname(), server.port, socket.AF_INET)
        if not info[4][0].startswith("127.")
    ]
    for address in own:
        with pytest.raises(OSError), socket.create_connection((address, server.port), timeout=5):  # noqa: PT011
            pass


def test_the_page_may_connect_to_its_own_server_only(server):
    status, headers, body = get(server, f"/?token={TOKEN}")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert f'<script nonce="{nonce}">'.encode() in body
    assert nonce not in get(server, f"/?token={TOKEN}")[1]["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert TOKEN.encode() not in body


# -- commands -------------------------------------------------------------------------------


def test_a_step_is_one_mini_batch_and_reset_goes_back(server, client):
    client.do("reset")
    client.settle()
    first = client.arrays["theta"].copy()
    client.do("step")
    client.until(lambda: client.header["step"] == 1)
    assert (client.arrays["theta"] != first).any()
    client.do("epoch")
    client.until(lambda: client.header["epoch"] == 1)
    assert client.header["done"] == 0
    client.do("reset")
    client.until(lambda: client.header["step"] == 0)
    assert (client.arrays["theta"] == first).all()


def test_play_trains_until_paused(server, client):
    client.do("speed", steps_per_second=0)
    client.do("play")
    client.until(lambda: client.header["step"] > 50)
    client.do("pause")
    client.until(lambda: client.header["phase"] == "paused")
    step = client.header["step"]
    time.sleep(0.2)
    assert server.runner.submit("snapshot").result(30).step == step


def test_the_chosen_speed_is_not_exceeded(server, client):
    client.do("reset")
    client.do("speed", steps_per_second=50)
    started = time.monotonic()
    client.do("play")
    client.until(lambda: client.header["step"] >= 20)
    # At most 50 steps a second; a busy machine may be slower.
    assert time.monotonic() - started > 0.9 * 19 / 50
    client.do("pause")


def test_the_run_has_the_chosen_settings(server, client):
    client.do(
        "setup",
        settings={"data": "digits", "rows": 300, "layers": [5], "loss": "", "rule": "momentum"},
    )
    client.settle()
    assert client.run["net"]["widths"] == [64, 5, 10]
    assert client.run["settings"]["loss"] == "cross_entropy"
    assert client.run["settings"]["rule"] == "momentum"
    assert set(client.arrays) == {"level", "class", "curve", "theta"}
    snapshot = server.runner.submit("snapshot").result(30)
    assert (client.arrays["theta"] == snapshot.theta).all()


def test_invalid_settings_leave_the_run_unchanged(server, client):
    client.do("step")
    client.until(lambda: client.header["step"] > 0)
    before = server.runner.submit("snapshot").result(30)
    for settings in ({"loss": "quantile"}, {"rows": 3}, {"layers": [99999]}, {"data": "table"}, 7):
        answer = client.ask("setup", settings=settings)
        assert answer["type"] == "error"
        assert "expected" in answer["message"]
    after = server.runner.submit("snapshot").result(30)
    assert (after.step, after.settings) == (before.step, before.settings)
    assert (after.theta == before.theta).all()


def test_the_axes_change_what_is_painted(server, client):
    client.do("setup", settings={"data": "digits", "rows": 300, "layers": [5], "loss": ""})
    client.do("epoch")
    client.settle()
    x, y = client.run["plane"]["x"], client.run["plane"]["y"]
    before = client.arrays["level"].copy()
    client.do("axes", x=y, y=x, hold="median")
    client.until(lambda: client.run["plane"]["hold"] == "median")
    client.settle()
    assert (client.run["plane"]["x"], client.run["plane"]["y"]) == (y, x)
    assert (client.arrays["level"] != before).any()
    assert client.ask("axes", x=0, y=0, hold="mean")["type"] == "error"
    assert client.ask("axes", x=0, y=True, hold="mean")["type"] == "error"
    assert client.ask("axes", x=0, y=[1], hold=None)["type"] == "error"


def test_divergence_is_reported_and_training_is_refused_until_reset(server, client):
    client.do(
        "setup",
        settings={"rule": "sgd", "learning_rate": 1000, "activation": "identity",
                  "loss": "squared_error", "l2": 1000},
    )  # fmt: skip
    client.do("speed", steps_per_second=0)
    client.do("play")
    client.until(lambda: client.header["phase"] == "diverged")
    assert "smaller learning rate" in client.header["message"]
    assert np.isfinite(client.arrays["theta"]).all()
    for kind in ("play", "step", "epoch"):
        answer = client.ask(kind)
        assert answer["type"] == "error"
        assert "Reset it" in answer["message"]
    client.do("setup", settings={"rule": "adam", "learning_rate": 0.01, "l2": 0,
                                 "activation": "tanh"})  # fmt: skip
    client.do("step")
    client.until(lambda: client.header["step"] == 1 and client.header["phase"] == "paused")


def test_a_new_learning_rate_keeps_the_run(server, client):
    client.do("reset")
    client.do("step")
    client.do("rate", learning_rate=0.5)
    client.do("step")
    client.until(lambda: client.header["step"] == 2)
    assert client.header["learning_rate"] == 0.5
    snapshot = server.runner.submit("snapshot").result(30)
    assert [each.step for each in snapshot.changes] == [0, 1]
    client.do("rate", learning_rate=0.01)


@pytest.mark.parametrize("begin", ["reset", "setup"])
def test_the_next_run_begins_with_the_rate_that_was_set_last(server, client, begin):
    client.do("setup", settings={"learning_rate": 0.01})
    client.do("step")
    client.do("rate", learning_rate=0.25)
    client.do("step")
    client.until(lambda: client.header["step"] == 2)
    client.do(begin, **({"settings": {"seed": 3}} if begin == "setup" else {}))
    client.settle()
    assert client.header["step"] == 0
    assert client.run["settings"]["learning_rate"] == client.header["learning_rate"] == 0.25
    snapshot = server.runner.submit("snapshot").result(30)
    assert snapshot.settings.learning_rate == 0.25
    assert [each.learning_rate for each in snapshot.changes] == [0.25]
    client.do("setup", settings={"learning_rate": 0.01})


# -- several browsers -----------------------------------------------------------------------


def test_two_browsers_share_one_run(server, client):
    client.do("reset")
    with server.client() as other:
        other.settle()
        assert other.hello == client.hello
        client.do("step")
        for each in (client, other):
            each.until(lambda each=each: each.header["step"] == 1)
        assert (client.arrays["theta"] == other.arrays["theta"]).all()
        other.do("setup", settings={"layers": [7]})
        client.until(lambda: client.run["net"]["widths"][1] == 7)
        for each in (client, other):
            each.settle()
        assert client.run == other.run


def test_a_browser_that_connects_during_a_run_gets_its_current_state(server, client):
    client.do("reset")
    client.do("speed", steps_per_second=0)
    client.do("play")
    client.until(lambda: client.header["step"] > 200)
    with server.client() as late:
        late.settle()
        assert late.header["step"] > 100
        assert late.header["phase"] == "playing"
        assert late.arrays["curve"].size > 30
    client.do("pause")


def test_a_slow_browser_skips_frames(server, client):
    client.do("reset")
    client.do("speed", steps_per_second=0)
    with server.client(acknowledge=False) as slow:
        slow.settle()
        seen = slow.frames
        client.do("play")
        count = client.frames
        client.until(lambda: client.frames > count + 20)
        with pytest.raises(TimeoutError):
            slow.to_the_end(timeout=0.5)
        assert slow.frames - seen <= 2  # so many may be on the way
        slow.send({"type": "ack", "frame": slow.header["frame"]})
        behind = slow.header["frame"]
        slow.read()
        # It then gets the newest frame, not the next one.
        assert slow.header["frame"] > behind + 10
    client.do("pause")


def test_the_number_of_browsers_is_limited(server, client):
    with served() as own:
        others = [own.client() for _ in range(16)]
        try:
            for each in others:
                each.__enter__()
                each.settle()
            with own.client() as one_more, pytest.raises(ConnectionClosed):
                one_more.to_the_end()
        finally:
            for each in others:
                each.__exit__(None, None, None)
        with own.client() as again:
            again.settle()


# -- malformed messages and faults ----------------------------------------------------------


def random_message(rng):
    """A random, possibly malformed message."""
    kinds = ["play", "pause", "step", "epoch", "reset", "setup", "rate", "speed", "axes", "ack"]
    names = [*vars(RunSettings()), "__class__", "", "x" * 50]

    def value(depth=0):
        choice = rng.randrange(14 if depth < 4 else 10)
        if choice < 10:
            return [
                None, True, rng.randrange(-5, 600), rng.uniform(-1e3, 1e3), 10**rng.randrange(400),
                -1e308, "x" * rng.randrange(300), rng.choice(kinds), "\u0000\ud83d\ude00<script>",
                rng.choice(["xor", "moons", "relu", "adam", "log_loss", "table", "../../etc"]),
            ][choice]  # fmt: skip
        if choice < 12:
            return [value(depth + 1) for _ in range(rng.randrange(6))]
        return {rng.choice(names): value(depth + 1) for _ in range(rng.randrange(5))}

    form = rng.randrange(10)
    if form == 0:
        return rng.randbytes(rng.randrange(200))
    if form == 1:
        return "".join(rng.choice('{}[]":,0123456789eE+-truefalsenull\\ ') for _ in range(80))
    if form == 2:
        return json.dumps(value())
    message = {"type": rng.choice(kinds)}
    if form < 6:
        message["id"] = value(4)
    fields = {"setup": ["settings"], "rate": ["learning_rate"], "speed": ["steps_per_second"],
              "axes": ["x", "y", "hold"], "ack": ["frame"]}  # fmt: skip
    for name in fields.get(message["type"], []):
        message[name] = value()
    if message["type"] == "setup" and form != 9:
        chosen = rng.sample(names, rng.randrange(1, 5))
        message["settings"] = {name: value(2) for name in chosen}
    if rng.random() < 0.1:
        message[rng.choice(names)] = value()
    return json.dumps(message)


def test_a_thousand_random_messages_do_no_harm(server):
    rng = random.Random(20240607)
    with server.client() as client:
        client.settle()
        for _ in range(1000):
            client.send(random_message(rng))
        # Messages are answered in order, so all were answered before this one; "ack" has no answer.
        client.ask("pause")
        assert 900 < client.replies.total() <= 1001
        # Some messages were executed and some refused.
        assert min(client.replies.values()) > 100
    with server.client() as client:
        client.settle()
        client.do("setup", settings=RunSettings(data="moons").plain())
        client.do("step")
        client.until(lambda: client.header["step"] == 1)
    snapshot = server.runner.submit("snapshot").result(30)
    assert len(snapshot.data.X) <= ranges()["rows"]["max"]
    assert server.runner.n_clients == 0


def test_a_message_that_is_too_long_closes_only_its_own_connection(server, client):
    with server.client() as other:
        other.settle()
        other.send("x" * (MOST_BYTES + 1))
        with pytest.raises(ConnectionClosed) as error:
            other.to_the_end()
        assert error.value.rcvd.code == 1009
    client.do("step")


def test_commands_sent_at_once_are_all_answered(server, client):
    for number in range(300):
        client.send({"type": "step", "id": 10_000 + number})
    client.until(lambda: all(10_000 + number in client.answers for number in range(300)))
    assert {client.answers.pop(10_000 + number)["type"] for number in range(300)} == {"done"}


def test_a_broken_connection_is_removed(server):
    client = server.client()
    client.__enter__()
    client.settle()
    client.socket.socket.shutdown(socket.SHUT_RDWR)
    ends = time.monotonic() + 30
    while server.runner.n_clients and time.monotonic() < ends:
        time.sleep(0.02)
    assert server.runner.n_clients == 0
    client.__exit__(None, None, None)


def test_an_unexpected_exception_is_reported_and_keeps_the_connection(server, client, monkeypatch):
    def broken(self):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(type(server.runner), "_do_step", broken)
    assert "ZeroDivisionError: planted" in client.ask("step")["message"]
    monkeypatch.undo()
    client.do("step")


def test_an_epoch_can_be_paused_before_its_end(server, client):
    client.do("setup", settings={"data": "digits", "rows": 1797, "layers": [512, 512], "loss": "",
                                 "batch_size": 1})  # fmt: skip
    client.do("epoch")
    client.until(lambda: client.header["step"] > 0)
    client.do("pause")
    client.until(lambda: client.header["phase"] == "paused")
    assert client.header["epoch"] == 0
    client.do("reset")
    client.do("setup", settings={"batch_size": 32})


def test_one_epoch_ignores_the_chosen_speed(server, client):
    client.do("reset")
    client.do("speed", steps_per_second=1)
    client.do("step")
    client.do("epoch")
    client.until(lambda: client.header["epoch"] == 1 and client.header["phase"] == "paused")
    assert client.header["done"] == 0
    client.do("speed", steps_per_second=0)


def test_unknown_rows_and_files_are_reported(server):
    assert get(server, f"/nothing?token={TOKEN}")[0] == 404
    assert get(server, f"/export/theta?token={TOKEN}")[0] == 404
    assert get(server, f"/payload?rows=all&token={TOKEN}")[0] == 404


def test_the_payload_has_the_current_state_of_the_run(server, client):
    client.do("reset")
    client.do("step")
    for rows, count in (("same", 64), ("step", 32)):
        status, _, body = get(server, f"/payload?rows={rows}&token={TOKEN}")
        assert status == 200
        given = json.loads(body)
        assert given["step"] == 1
        assert given["payload"]["rows"]["X"]["shape"] == [count, 2]
        assert "DR.formulas" in given["formulas"]


def test_the_payload_contains_a_chosen_row(server, client):
    client.do("setup", settings={"data": "moons", "rows": 300})
    status, _, body = get(server, f"/payload?rows=same&row=299&token={TOKEN}")
    assert status == 200
    payload = json.loads(body)["payload"]
    assert payload["names"]["rows"][payload["start"]["sample"]] == "299"
    for row, expected in (("300", 409), ("-1", 404), ("x", 404), ("1" * 40, 404)):
        assert get(server, f"/payload?rows=same&row={row}&token={TOKEN}")[0] == expected


def test_a_weight_is_set_and_counted(server, client):
    client.do("setup", settings={"data": "moons"})
    client.do("weight", entry=3, value=0.25)
    client.settle()
    client.until(lambda: client.header["edits"] == 1)
    assert client.arrays["theta"][3] == 0.25
    for entry, value in ((10**6, 0.5), (0.5, 0.5), (True, 0.5), (0, "a"), (0, 1e9), (None, 1)):
        answer = client.ask("weight", entry=entry, value=value)
        assert answer["type"] == "error"
        assert "expected" in answer["message"]
    client.do("reset")
    client.until(lambda: client.header["edits"] == 0)
