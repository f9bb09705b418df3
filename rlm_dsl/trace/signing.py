"""Signatures: who sealed a trace, as a DSSE envelope over its seal (in-toto's form), by ed25519.

In: a sealed folder, a private key in PEM or OpenSSH form. Out: `seal.dsse.json` beside the seal; a verdict on one.
Law: the envelope's payload is the seal's very bytes; a signature of somebody else is kept beside the new one; no key,
and nothing of its file but the public half's digest, is written anywhere. Needs the extra `sign` (cryptography).
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from rlm_dsl.common.atomic_write import write_file
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.trace.layout import SEAL, SIGNATURE
from rlm_dsl.trace.seal import small_file

PAYLOAD_TYPE = "application/vnd.in-toto+json"
EXTRA = "pip install 'rlm-dsl[sign]'"
MAKE = "make one: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub"


def pre_authentication_encoding(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(folder: Path, key: bytes, *, replace: bool = False) -> str:
    """Sign a folder's seal beside those who signed it before, or in their place; returns the key's id. Raises UserError
    for a key that is none, and where the signatures that are there are of another seal."""
    private = private_key(key)
    payload = small_file(folder / SEAL)
    keyid = key_id(private.public_key())
    others = [] if replace else [one for one in signatures_there(folder, payload) if one["keyid"] != keyid]
    sig = base64.b64encode(private.sign(pre_authentication_encoding(payload))).decode("ascii")
    envelope = {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [*others, {"keyid": keyid, "sig": sig}],
    }
    write_file(folder / SIGNATURE, json.dumps(envelope, indent=1) + "\n")
    return keyid


def signatures_there(folder: Path, payload: bytes) -> list[dict[str, str]]:
    """Who signed a seal so far. Raises UserError for signatures of another seal, or of no form."""
    if not (folder / SIGNATURE).exists():
        return []
    try:
        envelope = json.loads(small_file(folder / SIGNATURE))
        if raw(envelope["payload"]) == payload and envelope["payloadType"] == PAYLOAD_TYPE:
            return [{"keyid": str(one["keyid"]), "sig": str(one["sig"])} for one in envelope["signatures"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    raise UserError(
        f"{SIGNATURE} is there and is no signature of this seal", "look at whose it is; --replace puts yours there"
    )


def signature_fault(folder: Path, key: bytes) -> str | None:
    """Why a folder's seal is not signed by this public key, None if it is. Raises UserError for a key that is none."""
    from cryptography.exceptions import InvalidSignature

    public = public_key(key)
    try:
        envelope = json.loads(small_file(folder / SIGNATURE))
        payload = raw(envelope["payload"])
        signatures = [raw(signature["sig"]) for signature in envelope["signatures"]]
        if payload != small_file(folder / SEAL) or envelope["payloadType"] != PAYLOAD_TYPE:
            return "the signature is of another seal"
    except FileNotFoundError:
        return "the trace is not signed"
    except (OSError, ValueError, TypeError, KeyError):
        return "the signature cannot be read"
    for signature in signatures:
        try:
            public.verify(signature, pre_authentication_encoding(payload))
            return None
        except InvalidSignature:
            continue
    return f"the seal is not signed by the key {key_id(public)[:16]}"


def raw(text: str) -> bytes:
    """Bytes from base64 in its one spelling. Raises ValueError for another."""
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode("ascii") != text:
        raise ValueError("not as it was written")
    return found


def private_key(content: bytes) -> Any:
    """An ed25519 key from PEM or OpenSSH form, without a passphrase."""
    serialization, ed25519 = libraries()
    readers = (serialization.load_pem_private_key, serialization.load_ssh_private_key)
    return first_read(content, [lambda c, r=reader: r(c, None) for reader in readers], ed25519.Ed25519PrivateKey)


def public_key(content: bytes) -> Any:
    serialization, ed25519 = libraries()
    readers = [serialization.load_pem_public_key, serialization.load_ssh_public_key]
    return first_read(content, readers, ed25519.Ed25519PublicKey)


def first_read(content: bytes, readers: Any, kind: type) -> Any:
    """The key as the first reader that knows its form reads it. What a reader says of it is not told: it may quote."""
    for read in readers:
        try:
            key = read(content)
        except Exception:
            continue
        if isinstance(key, kind):
            return key
    half = "private" if "Private" in kind.__name__ else "public"
    raise UserError(f"the key file holds no {half} ed25519 key in PEM or OpenSSH form, without passphrase", MAKE)


def libraries() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UserError("signatures need the package cryptography", EXTRA) from None
    return serialization, ed25519


def key_id(public: Any) -> str:
    """sha256 of the public key in DER."""
    serialization, _ = libraries()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
