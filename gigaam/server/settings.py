"""What a server is told when it is started."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from gigaam.decoding import DecodingOptions
from gigaam.errors import ArgumentError, GigaAMError
from gigaam.store.exports import Export, exported_names
from gigaam.store.resolver import find

__all__ = ["ServerSettings", "default_jobs_dir"]


def default_jobs_dir() -> Path:
    """Where jobs are kept: ``gigaam/jobs`` in the directory for the state of programs."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "gigaam" / "jobs"


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What a server is told when it is started.

    Attributes:
        models: Names or paths of models; the first is the default one. The directory of one
            exported model is kept as DIRECTORY/NAME: clients call it by its name.
        device: Where they compute.
        model_ttl_s: A model other than the default one is unloaded after so many seconds without
            use.
        decoding: How tokens are searched for where a request does not say it.
        api_keys: Whoever asks must show one of them; none are needed if there are none. A blank one
            is refused: it is a secret that was not set.
        allow_origins: Web sites, as ``https://example.org``, whose pages may use the server; "*"
            for all. They are kept as browsers write them, without "/" at the end.
        max_upload_bytes: The largest body of a request.
        max_duration_s: The longest recording of a request or job, in seconds.
        max_wait_s: Requests are refused while the work before them takes longer than this.
        max_requests: Requests that may be there at once, uploads included.
        at_once: Recordings that are decoded at the same time; the nets take turns.
        max_live: Live sessions that may hear sound at the same time.
        max_connections: Websockets and connections of the other live protocols.
        stall_s: Whoever neither sends nor reads for so long is dropped.
        jobs_dir: Where jobs are kept; None for a server without jobs.
        job_root: Recordings under this directory may be named in place of an upload.
        max_jobs: Jobs that may wait or run.
        job_ttl_s: A finished job is forgotten after so many seconds.
        max_job_bytes: Disk space for uploads and results of jobs; the oldest finished go first.
        speakers: Whether speakers are told apart where a request asks for it; None for "if the nets
            are there": True makes them if need be, and without them the server does not start.
        realtime: Whether OpenAI's Realtime protocol is spoken.
        vosk: Whether Vosk's protocol is spoken.
        wyoming: Port of the Wyoming protocol (Home Assistant), which knows no authentication.
        audiosocket: Port of AudioSocket (Asterisk), which knows no authentication.
        page: Whether there is a web page at ``/``.
        host: The address that the ports of Wyoming and AudioSocket are bound to.
    """

    models: tuple[str, ...] = ("v3_rnnt",)
    device: str | None = None
    model_ttl_s: float = 600.0
    decoding: DecodingOptions | None = None
    api_keys: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    max_upload_bytes: int = 1 << 30
    max_duration_s: float = 4 * 3600.0
    max_wait_s: float = 60.0
    max_requests: int = 64
    at_once: int = 8
    max_live: int = 16
    max_connections: int = 512
    stall_s: float = 30.0
    jobs_dir: Path | None = None
    job_root: Path | None = None
    max_jobs: int = 100
    job_ttl_s: float = 7 * 24 * 3600.0
    max_job_bytes: int = 20 << 30
    speakers: bool | None = None
    realtime: bool = False
    vosk: bool = False
    wyoming: int | None = None
    audiosocket: int | None = None
    page: bool = True
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if not self.models:
            raise ArgumentError("a server needs at least one model")
        for field in fields(self):
            value = getattr(self, field.name)
            is_limit = field.name.startswith("max_") or field.name.endswith("_s")
            if (is_limit or field.name == "at_once") and not value > 0:
                raise ArgumentError(f"{field.name} must be above 0, not {value!r}")
        if not all(key.strip() for key in self.api_keys):
            raise ArgumentError("api_keys has a blank one: was a secret not set?")
        object.__setattr__(self, "models", tuple(map(_with_name, self.models)))
        origins = tuple(dict.fromkeys(map(_origin, self.allow_origins)))
        object.__setattr__(self, "allow_origins", origins)
        if self.job_root is not None and not self.job_root.is_dir():
            raise ArgumentError(f"job_root must be a directory, not {str(self.job_root)!r}")


_PORTS = {"http": 80, "https": 443}


def _with_name(model: str) -> str:
    """A path that ends with the name of the exported model, where it leads to one."""
    try:
        place = find(model)
    except GigaAMError:  # which is told when it is loaded
        return model
    if not isinstance(place, Export) or place.name is not None:
        return model
    names = exported_names(place.directory)
    named = place.directory / names[0]
    return model if len(names) > 1 or named.exists() else str(named)


def _origin(given: str) -> str:
    """An origin as browsers write it: in lower case, without the usual port, without a path."""
    if given == "*":
        return given
    try:
        parts = urlsplit(given.strip().rstrip("/"))
        name, port = parts.hostname, parts.port
    except ValueError:  # brackets or a port that are none
        raise _no_origin(given) from None
    if not (parts.scheme and name) or parts.username or parts.path or parts.query or parts.fragment:
        raise _no_origin(given)
    host = f"[{name}]" if ":" in name else name
    is_usual = port in (None, _PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")


def _no_origin(given: str) -> ArgumentError:
    return ArgumentError(f"allow_origins must be as https://example.org, or '*', not {given!r}")
