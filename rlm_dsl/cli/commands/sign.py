"""`sign`: a signature beside a trace's seal."""

from __future__ import annotations

import click

from rlm_dsl.cli.options import file_bytes
from rlm_dsl.cli.output import write


@click.command("sign")
@click.argument("trace", type=click.Path())
@click.option("--key", required=True, metavar="FILE", help="A private ed25519 key in PEM or OpenSSH form.")
def command(trace: str, key: str) -> None:
    """Sign TRACE's seal; check it with verify --public-key FILE. The key is read and copied nowhere."""
    from rlm_dsl.traces import sign

    write(f"signed by the key {sign(trace, file_bytes(key))}")
