"""A server of speech recognition: OpenAI's interface, live speech, long jobs, a web page.

    gigaam serve                          from the command line
    app = create_app(ServerSettings())    an ASGI application, for servers of one's own

Needs the extra ``server``. Inference runs in threads, never in the event loop.
"""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.server.app import create_app
    from gigaam.server.settings import ServerSettings

_HOMES = {"app": ("create_app",), "settings": ("ServerSettings",)}

__all__ = ["ServerSettings", "create_app"]

__getattr__ = importer(
    __name__, {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}
)
