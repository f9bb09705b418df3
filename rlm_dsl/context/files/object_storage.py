"""Object storage: S3, Google Cloud Storage and Azure, by obstore.

In: `s3://bucket/key`, `gs://bucket/key`, `az://container/key`. Out: sizes, versions and bytes. Law: credentials are
those of the environment of each (AWS_*, GOOGLE_*, AZURE_*), and where there are none, it is asked without; no other
address is asked for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any

from rlm_dsl.common.diagnostics import UserError

ENVIRONMENTS = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
SIGNED_BY = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": (
        *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"),
        *("AZURE_STORAGE_TOKEN", "AZURE_STORAGE_ACCESS_KEY"),
    ),
}
"""What of the environment signs requests; where nothing of it is set, they are not signed."""
NEEDED = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
PATIENCE = timedelta(seconds=30)


def head(path: str) -> tuple[int, str]:
    """An object's size, and its version or ETag."""
    import_obstore()
    import obstore

    store, key = store_and_key(path)
    with told(path):
        found = obstore.head(store, key)
    return found["size"], version_of(found)


def fetch(path: str, start: int, end: int, version: str) -> bytes:
    """Some bytes of an object. Raises UserError where it is no longer the one of this version."""
    import obstore

    store, key = store_and_key(path)
    with told(path):
        found = obstore.get(store, key, options={"range": (start, end)})
        if version_of(found.meta) != version:
            raise UserError(f"{path} was changed while it was read", "read it when nothing writes to it")
        return bytes(found.bytes())


def listed(root: str, folder: str) -> Iterator[tuple[str, int, str]]:
    """The objects below a folder of a bucket: names, sizes and versions."""
    import_obstore()
    import obstore

    store, _ = store_and_key(f"{root}/")
    with told(f"{root}/{folder}"):
        for some in obstore.list(store, prefix=folder or None):
            for found in some:
                yield found["path"], found["size"], version_of(found)


def version_of(found: Any) -> str:
    return str(found.get("version") or found.get("e_tag") or found.get("last_modified"))


def store_and_key(path: str) -> tuple[Any, str]:
    """The bucket's store, and the key in it."""
    scheme, _, rest = path.partition("://")
    bucket, _, key = rest.partition("/")
    scheme = scheme.lower()
    own = tuple(sorted((n, v) for n, v in os.environ.items() if n.startswith(ENVIRONMENTS[scheme])))
    return open_store(scheme, bucket, own), key


@lru_cache(8)
def open_store(scheme: str, bucket: str, environment: tuple[tuple[str, str], ...]) -> Any:
    """A bucket or container, with what the environment says."""
    from obstore.store import AzureStore, GCSStore, S3Store

    said = dict(environment)
    options: dict[str, Any] = {
        "client_options": {"connect_timeout": "10s", "timeout": "60s"},
        "retry_config": {"max_retries": 3, "retry_timeout": PATIENCE},
    }
    if not any(said.get(name) for name in SIGNED_BY[scheme]):
        options["skip_signature"] = True
    if scheme == "s3":
        endpoint = said.get("AWS_ENDPOINT_URL_S3") or said.get("AWS_ENDPOINT_URL") or said.get("AWS_ENDPOINT")
        options |= {"endpoint": endpoint} if endpoint else {}
        options["region"] = said.get("AWS_REGION") or said.get("AWS_DEFAULT_REGION") or "us-east-1"
        if endpoint and endpoint.startswith("http://"):
            options["client_options"]["allow_http"] = True
    kind = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[scheme]
    with told(f"{scheme}://{bucket}"):
        return kind(bucket, **options)


def import_obstore() -> None:
    try:
        import obstore  # noqa: F401
    except ImportError:
        raise UserError("object storage needs obstore", "pip install 'rlm-dsl[remote]'") from None


@contextmanager
def told(path: str) -> Iterator[None]:
    """What a store refuses, in a user's words: what it says itself may repeat credentials."""
    from obstore import exceptions

    scheme = path.partition("://")[0].lower()
    try:
        yield
    except (exceptions.NotFoundError, FileNotFoundError):
        raise UserError(f"there is no {path}", "check the address; a folder ends with /") from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError):
        raise UserError(f"{path} may not be read", f"credentials are those of {NEEDED[scheme]}") from None
    except (exceptions.BaseError, OSError, ValueError) as failure:
        raise UserError(
            f"{path} cannot be read: {type(failure).__name__}", f"is the address right, and {NEEDED[scheme]}?"
        ) from None
