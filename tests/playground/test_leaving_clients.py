"""Exports whose clients leave end, those that wait never begin, and others get their turn."""

import http.client
import socket
import threading
import time

import pytest
from tests.playground.helpers import TOKEN, served

from deltarule.errors import InputError
from deltarule.playground import RunSettings
from deltarule.playground.export import export_file
from deltarule.playground.request_work import ClientLeft
from deltarule.playground.run_state import make_run_state


@pytest.fixture(scope="module")
def server():
    with served() as found:
        yield found


def status_of(server, path):
    """The status of a request that is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


class Leaving:
    """Exports that go on until they are told to stop; counts those that began and ended."""

    def __init__(self):
        self.begun, self.ended, self.at_once, self.most = 0, 0, 0, 0
        self.changed = threading.Condition()

    def __call__(self, kind, snapshot, source, check):
        self.count(begun=1, at_once=1)
        try:
            while True:
                check()
                time.sleep(0.005)
        finally:
            self.count(ended=1, at_once=-1)

    def count(self, **changes):
        with self.changed:
            for name, change in changes.items():
                setattr(self, name, getattr(self, name) + change)
            self.most = max(self.most, self.at_once)
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, 30), vars(self)


def ask(server, path):
    """A connection that has sent a request and not read the answer."""
    asked = socket.create_connection(("127.0.0.1", server.port))
    asked.sendall(
        f"GET {path}?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    )
    return asked


def test_an_export_ends_when_its_client_leaves_and_the_next_has_its_turn(server, monkeypatch):
    going = Leaving()
    monkeypatch.setattr("deltarule.playground.export.export_file", going)
    first = ask(server, "/export/explain.html")
    going.wait(lambda: going.begun == 1)
    waiting = [ask(server, "/export/explain.html") for _ in range(5)]
    time.sleep(0.1)
    for each in waiting[:4]:
        each.close()
    time.sleep(0.1)
    assert (going.begun, going.ended) == (1, 0)
    first.close()
    going.wait(lambda: going.begun == 2)  # the four that left are passed over
    waiting[4].close()
    going.wait(lambda: going.ended == 2)
    monkeypatch.undo()
    assert (going.begun, going.most) == (2, 1)
    assert status_of(server, f"/export/explain.html?token={TOKEN}") == 200
    assert status_of(server, f"/payload?rows=same&token={TOKEN}") == 200


def test_an_export_that_fails_gives_its_turn_back(server, monkeypatch):
    def failing(*given):
        raise InputError("it cannot be exported")

    monkeypatch.setattr("deltarule.playground.export.export_file", failing)
    for _ in range(3):
        assert status_of(server, f"/export/run.py?token={TOKEN}") == 409
    monkeypatch.undo()
    assert status_of(server, f"/export/run.py?token={TOKEN}") == 200


@pytest.mark.parametrize("kind", ["model.zip", "explain.html"])
def test_every_kind_of_export_stops_between_its_parts(kind):
    snapshot = make_run_state(RunSettings(data="moons")).snapshot()
    calls = []
    whole = export_file(kind, snapshot, None, lambda: calls.append(kind))
    assert len(whole.data) > 1000
    assert len(calls) >= 2
    for last in range(len(calls)):
        left = iter(range(last))

        def check(left=left):
            if next(left, None) is None:
                raise ClientLeft

        with pytest.raises(ClientLeft):
            export_file(kind, snapshot, None, check)
