"""The same server as a Ray Serve deployment, for clusters.

Each replica is a whole server: its own model, its own limits. Ray's proxy spreads requests and
websockets over them. Jobs stay with the replica that took them, so there are none here: long
recordings are better recognised in bulk, or by servers behind a balancer that keeps clients apart.

Needs:  pip install ".[server]" "ray[serve]"
Run:    serve run examples.server.ray_serve:app
Then:   curl -F file=@call.mp3 http://127.0.0.1:8000/v1/audio/transcriptions
"""

import os

from ray import serve

from gigaam.server import ServerSettings, create_app

KEYS = os.environ.get("GIGAAM_SERVE_API_KEY")
SETTINGS = ServerSettings(
    models=tuple(os.environ.get("GIGAAM_SERVE_MODEL", "v3_rnnt").split()),
    # Where a secret was not set, a blank key is refused.
    api_keys=() if KEYS is None else tuple(KEYS.split() or [KEYS]),
)


@serve.deployment(
    num_replicas="auto",
    ray_actor_options={"num_cpus": 2},
    max_ongoing_requests=SETTINGS.max_requests + SETTINGS.max_connections,
)
@serve.ingress(lambda: create_app(SETTINGS))
class Recognition:
    """A server of recognition."""


app = Recognition.bind()
