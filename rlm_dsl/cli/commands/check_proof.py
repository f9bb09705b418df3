"""`check-proof`: whether a proof holds."""

from __future__ import annotations

import json

import click

from rlm_dsl.cli.options import file_bytes
from rlm_dsl.cli.output import safe, write


@click.command("check-proof")
@click.argument("proof", type=click.Path())
@click.option("--head", metavar="HASH", help="The chain's head, as the run printed it.")
@click.option("--root", metavar="HASH", help="The sealed Merkle root.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(proof: str, head: str | None, root: str | None, as_json: bool) -> int:
    """Check PROOF, a file that `prove` wrote, without the trace it comes from.

    Example: rlm-dsl check-proof call.json --head 6d59f4d7...
    """
    from rlm_dsl.cli.render.proof import proof_text
    from rlm_dsl.trace.proof import faults, read_proof

    made = read_proof(file_bytes(proof))
    found = faults(made, head, root)
    anchored = head is not None or root is not None
    if as_json:
        write(json.dumps({"holds": not found, "anchored": anchored, "faults": list(found)}, ensure_ascii=False))
    else:
        write(safe(proof_text(made, found, anchored=anchored)))
    return 1 if found else 0
