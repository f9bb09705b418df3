"""Bounds on what is unpacked: how large the files in an archive may become, told before any of them is read.

In: a zip's bytes. Out: nothing, or a refusal. Law: a few kilobytes never become more than memory holds.
"""

from __future__ import annotations

import io
import zipfile

from rlm_dsl.common.diagnostics import UserError

MOST_BYTES = 1 << 34
"""Bytes that all files of an archive may have when they are unpacked."""
MOST_FILES = 1 << 20
"""Files of an archive, as of a context."""
MOST_RATIO = 1_000
"""How many times larger than packed a file may be; the packer of zip and gzip reaches 1,032."""
UNSUSPECTED = 1 << 27
"""Bytes up to which a file may have any ratio: a table of zeros packs well."""


def require_bounded(content: bytes, path: str) -> None:
    """Raises UserError where a zip's files would be larger than an archive of data is."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            held = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as failure:
        raise UserError(f"{path} is a broken zip: {failure}") from None
    for info in held:
        require_ratio(path, info.filename, info.file_size, info.compress_size)
    require_total(path, sum(info.file_size for info in held))


def require_ratio(path: str, name: str, size: int, packed: int) -> None:
    if size > UNSUSPECTED and size > MOST_RATIO * max(packed, 1):
        raise UserError(
            f"{path}: {name[:200]!r} would unpack {packed:,} bytes into {size:,}", "unpack it by hand if it is no bomb"
        )


def require_total(path: str, size: int) -> None:
    if size > MOST_BYTES:
        raise UserError(f"{path} would unpack into {size:,} bytes", "unpack it by hand, and give the folder")
