"""``gigaam serve``: recognition over HTTP and websockets."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
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
from gigaam.cli.serve_environment import check_environment, phrases_of, refuse_setting
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
    Speakers,
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
    context: typer.Context,
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
    speakers: Speakers = None,
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
    GIGAAM_SERVE_PAGE=false for --no-page. Ctrl-C or SIGTERM end the server; requests at work are
    finished.
    """
    create_app, serving, settings_type = _server_parts()
    check_environment(context)
    hotword = phrases_of(context, hotword)
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
            jobs_dir=_jobs_dir(jobs, jobs_dir, job_root, job_hours),
            job_root=job_root,
            job_ttl_s=job_hours * 3600,
            speakers=speakers,
            realtime=realtime,
            vosk=vosk,
            wyoming=wyoming,
            audiosocket=audiosocket,
            page=page,
            host=host,
        )
        binding = serving.Binding(host, port, root_path, trusted_proxies, shutdown)
        app = create_app(settings)
    except ArgumentError as error:
        refuse_setting(error)
    _warn(settings)
    with _quiet_interrupts():
        has_served = serving.serve(app, binding, log_format)
    if not has_served:
        raise typer.Exit(1)


@contextmanager
def _quiet_interrupts() -> Iterator[None]:
    """After Ctrl-C threads end with the chunk at hand; who does not wait for them asks again."""
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise


def _models(names: list[str], exports: list[Path], device: str | None) -> tuple[str, ...]:
    """What they name, if it recognises speech as far as that is known before it is loaded."""
    for export in exports:
        NamedModel(RECOGNITION, "", export, device).check()
    named = names or ([] if exports else [DEFAULT_MODEL])
    for name in named:
        NamedModel(RECOGNITION, name, device=device, option="--model").check()
    return (*map(str, exports), *named)


def _jobs_dir(wanted: bool, directory: Path | None, root: Path | None, hours: float) -> Path | None:
    """Where jobs are kept, if they are; what else is said of them makes sense."""
    from gigaam.server.settings import default_jobs_dir

    if not hours > 0:
        refuse("--job-hours", f"must be above 0, not {hours}")
    if wanted:
        return directory or default_jobs_dir()
    for option, given in (("--jobs-dir", directory), ("--job-root", root)):
        if given is not None:
            refuse(option, "does not go with --no-jobs")
    return None


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
