"""`lineside events` against a server that misbehaves as servers do: it ends early, refuses, comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from gateway.cli import remote
from gateway.core.errors import LinesideError

Script = list[tuple[int, bytes]]


class Server:
    """Answers each request with the next entry of a script, and closes. `asked`: the resume points it was given."""

    def __init__(self, script: Script) -> None:
        asked: list[str | None] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.headers["Last-Event-ID"])
                status, body = script.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.asked = asked
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), name="server")
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def script() -> Script:
    return []


@pytest.fixture
def server(script: Script) -> Iterator[Server]:
    made = Server(script)
    yield made
    made.close()


def test_an_export_that_is_complete(server: Server, script: Script) -> None:
    script.append((200, b'{"v":1,"seq":1}\n{"v":1,"seq":2}\n{"next":"j:2","complete":true}\n'))
    assert list(remote.export(server.url, [])) == [b'{"v":1,"seq":1}', b'{"v":1,"seq":2}']


@pytest.mark.parametrize(
    "end", [b"", b'{"next":"j:1","complete":false,"problem":{"title":"The journal","detail":"is gone"}}\n']
)
def test_an_export_that_is_cut_short_says_so(server: Server, script: Script, end: bytes) -> None:
    script.append((200, b'{"v":1,"seq":1}\n' + end))
    with pytest.raises(LinesideError, match="not complete"):
        list(remote.export(server.url, []))


def test_a_refusal_is_told_in_its_own_words(server: Server, script: Script) -> None:
    script.append((410, b'{"title":"The journal does not have this position","detail":"expired"}'))
    with pytest.raises(LinesideError, match="does not have this position: expired"):
        list(remote.export(server.url, [("after", "j:1")]))


def test_nobody_there() -> None:
    with pytest.raises(LinesideError, match="does not answer"):
        list(remote.export("http://127.0.0.1:1", []))
    with pytest.raises(LinesideError, match="does not answer"):
        next(remote.follow("http://127.0.0.1:1", []))


def test_following_goes_on_behind_the_last_event(
    server: Server, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script += [
        (200, b'retry: 1000\nid: j:0\n\nid: j:1\ndata: {"seq":1}\n\nid: j:5\n\nid: j:6\ndata: {"cut'),
        (200, b'event: gap\ndata: {"from":"j:5","to":"j:7"}\nid: j:7\n\nid: j:8\ndata: {"seq":8}\n\n'),
        (200, b'id: j:9\ndata: {"seq":9}\n\n'),
    ]
    found = list(islice(remote.follow(server.url, [], again_s=0.001), 3))
    assert found == [b'{"seq":1}', b'{"seq":8}', b'{"seq":9}']
    assert server.asked == [None, "j:5", "j:8"]
    assert '"to":"j:7"' in capsys.readouterr().err
