"""Listening: an endpoint on a socket of its own.

In: an `Endpoint`. Out: its base URL, while the context is open. Law: nothing listens any more when it is closed.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator

from aiohttp import web

from rlm_dsl.testing.routes import Endpoint, application
from rlm_dsl.testing.settings import Settings


class PortBusy(OSError):
    """The port is taken by another program."""


@contextlib.asynccontextmanager
async def running(endpoint: Endpoint) -> AsyncIterator[str]:
    """Serves while the context is open; gives the base URL. Raises PortBusy, or OSError for a host that is not ours."""
    runner = web.AppRunner(application(endpoint), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        yield await listening(runner, endpoint.settings)
    finally:
        await runner.cleanup()


async def listening(runner: web.AppRunner, settings: Settings) -> str:
    host, port = settings.host, settings.port
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            raise PortBusy(
                failure.errno, f"port {port} of {host} is in use; choose another, or 0 for a free one"
            ) from None
        raise
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{runner.addresses[0][1]}{settings.persona.path}"
