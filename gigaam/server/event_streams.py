"""Server-sent events, as all routes send them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from sse_starlette import EventSourceResponse, ServerSentEvent

__all__ = ["event_stream"]

_PING_S = 15  # proxies close connections on which nothing comes for long

# When the server is about to end, sse-starlette would cut streams off. What they tell is bounded
# by the work at hand, for which uvicorn sets the deadline.
_LAST_EVENTS_S = 24 * 3600.0


def event_stream(
    events: AsyncIterator[ServerSentEvent], stall_s: float, headers: Mapping[str, str] | None = None
) -> EventSourceResponse:
    """The answer that sends events to their end.

    Args:
        events: What is told; it ends by itself, also when the server is about to.
        stall_s: A client that reads nothing for so long is dropped.
        headers: Of the answer, besides its own.
    """
    return EventSourceResponse(
        events,
        ping=_PING_S,
        send_timeout=stall_s,
        headers={"X-Accel-Buffering": "no", **(headers or {})},  # nginx's buffers
        shutdown_grace_period=_LAST_EVENTS_S,
    )
