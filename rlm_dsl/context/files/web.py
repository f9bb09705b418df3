"""Files on web servers, read in ranges.

In: an `https://` address (`http://` on this machine). Out: size, ETag and bytes. Law: no other server is spoken to: one
that sends on to another is refused; nothing is sent but the request.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from rlm_dsl.common.diagnostics import UserError

PATIENCE = 30.0
"""Seconds that a server may be silent."""


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Follows where the same server says that a file lies, and nowhere else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            raise UserError(
                f"{req.full_url} sends on to another server: {after.scheme}://{after.netloc.rpartition('@')[2]}",
                "give the address that it lies at, if you trust it",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def head(path: str) -> tuple[int, str]:
    """A file's size, and its ETag or time of change."""
    with answer(path, {"Range": "bytes=0-0"}) as found:
        if found.headers.get("Content-Range"):
            size = found.headers.get("Content-Range", "").rpartition("/")[2]
        else:
            size = found.headers.get("Content-Length", "")
        if not size.isdigit():
            raise UserError(f"{path} does not tell its size", "fetch it first, and give the file")
        return int(size), version_of(found.headers)


def fetch(path: str, start: int, end: int, version: str) -> bytes:
    """Some bytes of a file. Raises UserError where it is no longer the one of this version."""
    with answer(path, {"Range": f"bytes={start}-{end - 1}"}) as found:
        if version_of(found.headers) != version:
            raise UserError(f"{path} was changed while it was read", "read it when nothing writes to it")
        if found.status == http.client.PARTIAL_CONTENT:
            return bytes(found.read(end - start))
        found.read(start)
        return bytes(found.read(end - start))


def version_of(headers: Mapping[str, str]) -> str:
    return headers.get("ETag") or headers.get("Last-Modified") or ""


@contextmanager
def answer(path: str, headers: Mapping[str, str]) -> Iterator[Any]:
    """What a server answers. Raises UserError for what it refuses."""
    address = quote(path, safe=":/%~+,;@[]!$&'()*=")
    request = urllib.request.Request(address, headers={"Accept-Encoding": "identity", **headers})
    direct = [urllib.request.ProxyHandler({})] if urlsplit(path).scheme == "http" else []
    try:
        with urllib.request.build_opener(_SameServer, *direct).open(request, timeout=PATIENCE) as found:
            yield found
    except urllib.error.HTTPError as failure:
        if failure.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            with failure:
                yield failure
            return
        known = {404: f"there is no {path}", 401: f"{path} may not be read", 403: f"{path} may not be read"}
        told = known.get(failure.code, f"{path} cannot be read: the server answers {failure.code}")
        raise UserError(told, "check the address") from None
    except (OSError, http.client.HTTPException, ValueError) as failure:
        why = getattr(failure, "reason", failure)
        raise UserError(f"{path} cannot be read: {str(why)[:200] or type(why).__name__}", "check the address") from None
