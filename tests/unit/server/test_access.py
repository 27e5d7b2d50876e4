"""Who may ask."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from gigaam.server.access import AccessControl, client_of


async def _who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(client_of(request))


async def _listen(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(client_of(websocket))
    await websocket.close()


def client(*keys: str, origins: tuple[str, ...] = ()) -> TestClient:
    paths = ("/", "/v1/models", "/health", "/page/page.js", "/metrics")
    routes = [Route(path, _who, methods=["GET", "POST"]) for path in paths]
    app = Starlette(routes=[*routes, WebSocketRoute("/v1/live", _listen)])
    here = TestClient(AccessControl(app, keys, origins), client=("10.0.0.9", 5))
    here.headers["Host"] = "127.0.0.1:8000"
    return here


def test_without_keys_all_may_ask() -> None:
    assert client().get("/v1/models").text == "10.0.0.9"


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Bearer ", "Basic right", "right"])
def test_keys_are_needed(given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    answer = client("right", "other").get("/v1/models", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_is_a_client() -> None:
    here = client("right", "other")
    names = {
        key: here.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).text
        for key in ("right", "other")
    }
    assert len(set(names.values())) == 2
    assert not any(key in name for key, name in names.items())


def test_some_pages_are_for_all() -> None:
    here = client("right")
    assert {here.get(path).status_code for path in ("/", "/health", "/page/page.js")} == {200}
    assert here.get("/metrics").status_code == 401
    assert here.post("/").status_code == 401


@pytest.mark.parametrize(
    ("origin", "host", "keys", "allowed"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", (), True),
        ("http://localhost:8000", "localhost:8000", (), True),
        ("http://[::1]:8000", "[::1]:8000", (), True),
        ("http://evil.example", "127.0.0.1:8000", (), False),
        ("null", "127.0.0.1:8000", (), False),
        ("http://evil.example:8000", "evil.example:8000", (), False),  # DNS rebinding
        ("https://speech.example", "speech.example", ("right",), True),
        ("http://evil.example", "speech.example", ("right",), False),
    ],
)
def test_origins(origin: str, host: str, keys: tuple[str, ...], allowed: bool) -> None:
    headers = {"Host": host, "Origin": origin, "Authorization": "Bearer right"}
    answer = client(*keys).get("/v1/models", headers=headers)
    assert answer.status_code == (200 if allowed else 403)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("10.0.0.4", True),
        ("localhost", True),
        ("gigaam:8000", True),  # of Docker
        ("speech.local", True),
        ("gigaam.default.svc.cluster.local", True),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("local", True),
        ("evil.notlocal", False),
        ("[evil.example", False),
        ("good.example", True),
    ],
)
def test_names_of_the_server_without_keys(host: str, allowed: bool) -> None:
    here = client(origins=("https://good.example",))
    answer = here.get("/v1/models", headers={"Host": host})
    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.json()["error"]["code"] == "host_not_allowed"
    assert here.get("/health", headers={"Host": host}).status_code == 200
    with_key = client("right").get(
        "/v1/models", headers={"Host": host, "Authorization": "Bearer right"}
    )
    assert with_key.status_code == 200


def test_the_page_is_for_all_origins() -> None:
    """It can do nothing by itself; what it asks for is checked."""
    for path in ("/", "/page/page.js", "/health"):
        assert client().get(path, headers={"Origin": "http://a.example"}).status_code == 200


def test_origins_can_be_allowed() -> None:
    here = client(origins=("https://good.example/",))
    assert here.get("/v1/models", headers={"Origin": "https://good.example"}).status_code == 200
    assert here.get("/v1/models", headers={"Origin": "https://bad.example"}).status_code == 403
    anybody = client(origins=("*",))
    assert anybody.get("/v1/models", headers={"Origin": "null"}).status_code == 200


def test_websockets_show_keys_as_subprotocols() -> None:
    here = client("right")
    with pytest.raises(WebSocketDenialResponse) as refused, here.websocket_connect("/v1/live"):
        pass
    assert refused.value.status_code == 401
    assert refused.value.json()["error"]["code"] == "invalid_api_key"
    for prefix in ("gigaam-key.", "openai-insecure-api-key."):
        with here.websocket_connect("/v1/live", subprotocols=["x", f"{prefix}right"]) as socket:
            assert socket.receive_text().startswith("key ")
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        here.websocket_connect("/v1/live", headers={"Origin": "http://evil.example"}),
    ):
        pass
    assert refused.value.status_code == 403
