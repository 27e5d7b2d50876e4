"""``gigaam serve``: recognition over HTTP and websockets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from gigaam.cli.command_options import Device, refuse
from gigaam.cli.completion import complete_models
from gigaam.cli.named_models import DEFAULT_MODEL, RECOGNITION, NamedModel
from gigaam.cli.printing import complain
from gigaam.cli.search_options import (
    LM,
    BeamSize,
    Hotword,
    HotwordFile,
    HotwordWeight,
    Inflect,
    LMWeight,
    WordBonus,
    search_options,
)
from gigaam.cli.serve_options import (
    AllowOrigin,
    ApiKey,
    ApiKeyFile,
    AudioSocketPort,
    Host,
    JobHours,
    JobRoot,
    Jobs,
    JobsDir,
    LogLines,
    MaxDuration,
    MaxLive,
    MaxRequests,
    MaxUpload,
    MaxWait,
    ModelTtl,
    Page,
    Port,
    Realtime,
    RootPath,
    ShutdownSeconds,
    TrustedProxies,
    Vosk,
    WyomingPort,
    keys_of,
)
from gigaam.errors import ArgumentError

if TYPE_CHECKING:
    from gigaam.server import ServerSettings

__all__ = ["serve"]

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Name (see 'gigaam models'), .ckpt file or directory of a model, also of an exported "
        f"one; give it again for further ones, of which the first is the default. "
        f"[default: {DEFAULT_MODEL}]",
        autocompletion=complete_models,
    ),
]
Exports: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--onnx",
        metavar="DIR",
        help="Directory of an exported model (DIR/NAME if it holds several), to run it without "
        "torch.",
    ),
]


def serve(
    model: Models = None,
    onnx: Exports = None,
    device: Device = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    root_path: RootPath = "",
    trusted_proxies: TrustedProxies = "127.0.0.1",
    api_key: ApiKey = None,
    api_key_file: ApiKeyFile = None,
    allow_origin: AllowOrigin = None,
    realtime: Realtime = False,
    vosk: Vosk = False,
    wyoming: WyomingPort = None,
    audiosocket: AudioSocketPort = None,
    page: Page = True,
    jobs: Jobs = True,
    jobs_dir: JobsDir = None,
    job_root: JobRoot = None,
    job_hours: JobHours = 168.0,
    max_upload: MaxUpload = 1024,
    max_duration: MaxDuration = 4 * 3600.0,
    max_wait: MaxWait = 60.0,
    max_requests: MaxRequests = 64,
    max_live: MaxLive = 16,
    model_ttl: ModelTtl = 600.0,
    hotword: Hotword = None,
    hotwords: HotwordFile = None,
    hotword_weight: HotwordWeight = None,
    inflect: Inflect = False,
    lm: LM = None,
    lm_weight: LMWeight = None,
    word_bonus: WordBonus = None,
    beam_size: BeamSize = None,
    log_format: LogLines = "text",
    shutdown: ShutdownSeconds = 30,
) -> None:
    """Answer requests: OpenAI's interface, live speech, jobs for long recordings, a web page.

    Every option can also be set by a variable of the environment: GIGAAM_SERVE_PORT for --port,
    GIGAAM_SERVE_MODEL for --model. Ctrl-C or SIGTERM end the server; requests at work are finished.
    """
    create_app, serving, settings_type = _server_parts()
    decoding = search_options(
        hotword, hotwords, hotword_weight, inflect, lm, lm_weight, word_bonus, beam_size
    )
    try:
        settings = settings_type(
            models=_models(model or [], onnx or [], device),
            device=device,
            model_ttl_s=model_ttl,
            decoding=decoding,
            api_keys=keys_of(api_key or [], api_key_file),
            allow_origins=tuple(allow_origin or ()),
            max_upload_bytes=max_upload << 20,
            max_duration_s=max_duration,
            max_wait_s=max_wait,
            max_requests=max_requests,
            max_live=max_live,
            jobs_dir=_jobs_dir(jobs, jobs_dir),
            job_root=job_root,
            job_ttl_s=job_hours * 3600,
            realtime=realtime,
            vosk=vosk,
            wyoming=wyoming,
            audiosocket=audiosocket,
            page=page,
            host=host,
        )
        app = create_app(settings)
    except ArgumentError as error:
        complain(str(error))
        raise typer.Exit(2) from error
    _warn(settings)
    binding = serving.Binding(host, port, root_path.rstrip("/"), trusted_proxies, shutdown)
    if not serving.serve(app, binding, log_format):
        raise typer.Exit(1)


def _models(names: list[str], exports: list[Path], device: str | None) -> tuple[str, ...]:
    """What they name, if it recognises speech as far as that is known before it is loaded."""
    for export in exports:
        NamedModel(RECOGNITION, "", export, device).check()
    named = names or ([] if exports else [DEFAULT_MODEL])
    for name in named:
        NamedModel(RECOGNITION, name, device=device, option="--model").check()
    return (*map(str, exports), *named)


def _jobs_dir(wanted: bool, directory: Path | None) -> Path | None:
    from gigaam.server.settings import default_jobs_dir

    if not wanted:
        if directory is not None:
            refuse("--jobs-dir", "does not go with --no-jobs")
        return None
    return directory or default_jobs_dir()


def _warn(settings: ServerSettings) -> None:
    """Tells who else can reach the server."""
    is_local = settings.host in ("127.0.0.1", "localhost", "::1")
    if not is_local and not settings.api_keys:
        complain(f"warning: everybody who reaches {settings.host} can use the server: --api-key")
    for name in ("wyoming", "audiosocket"):
        if not is_local and getattr(settings, name) is not None:
            complain(f"warning: --{name} knows no keys: everybody who reaches its port can use it")


def _server_parts() -> Any:
    """What needs the extra ``server``."""
    try:
        from gigaam.server import serving
        from gigaam.server.app import create_app
        from gigaam.server.settings import ServerSettings
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gigaam":
            raise
        complain(f"{error.name} is not installed: pip install '.[server]' in a clone of gigaam")
        raise typer.Exit(1) from error
    return create_app, serving, ServerSettings
