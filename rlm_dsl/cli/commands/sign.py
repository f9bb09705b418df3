"""`sign`: a signature beside a trace's seal."""

from __future__ import annotations

import json

import click

from rlm_dsl.cli.options import file_bytes
from rlm_dsl.cli.output import write


@click.command("sign")
@click.argument("trace", type=click.Path())
@click.option("--key", required=True, metavar="FILE", help="A private ed25519 key in PEM or OpenSSH form.")
@click.option("--replace", is_flag=True, help="In place of the signatures that are there, not beside them.")
@click.option("--json", "as_json", is_flag=True, help="Print the key's id as JSON.")
def command(trace: str, key: str, replace: bool, as_json: bool) -> None:
    """Sign TRACE's seal, beside those who signed it before; check it with verify --public-key FILE. The key is read and
    copied nowhere.

    Example: rlm-dsl sign traces/tickets.trace --key key.pem
    """
    from rlm_dsl.traces import sign

    keyid = sign(trace, file_bytes(key), replace=replace)
    write(json.dumps({"keyid": keyid}) if as_json else f"signed by the key {keyid}")
