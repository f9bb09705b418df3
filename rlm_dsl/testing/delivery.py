"""Delivering a reply over HTTP: whole, in drips, in half, or not at all.

In: a `Payload`, or None for a dropped connection. Out: what aiohttp sends. Law: a reply that is sent whole is one
write; a client that has gone away disturbs nobody.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from rlm_dsl.testing.wire import NAMESPACE, Payload

DRIPS = 20
"""Parts in which a slow reply trickles in."""

HEADERS = {"Server": NAMESPACE}


def response(reply: Payload) -> web.Response:
    """The reply as aiohttp sends it: headers and body in one write."""
    return web.Response(
        status=reply.status,
        body=reply.body,
        content_type=reply.content_type,
        headers={**HEADERS, **reply.headers},
    )


async def deliver(request: web.Request, reply: Payload | None, midway: bool, slow_drip: float) -> web.StreamResponse:
    """Sends the reply whole, in drips or in half; drops the connection if there is none."""
    if reply is None:
        return dropped(request)
    if not midway and slow_drip <= 0:
        return response(reply)
    opened = web.StreamResponse(status=reply.status, headers={**HEADERS, **reply.headers})
    opened.content_type = reply.content_type
    opened.content_length = len(reply.body)
    with contextlib.suppress(ConnectionError):  # a client that has gone away is none of our business
        await opened.prepare(request)
        await trickle(opened, reply.body[: len(reply.body) // 2] if midway else reply.body, slow_drip)
    return dropped(request) if midway else opened


async def trickle(opened: web.StreamResponse, body: bytes, seconds: float) -> None:
    """Writes a body, its last part after so many seconds. Raises ConnectionError if the client has gone away."""
    size = max(1, -(-len(body) // DRIPS)) if seconds > 0 else max(1, len(body))
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds * size / len(body) if seconds > 0 else 0)
        await opened.write(body[start : start + size])


def dropped(request: web.Request) -> web.StreamResponse:
    """Closes the connection; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
