"""Inclusion proofs against published vectors and every flipped byte; signatures against another implementation."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path

import pytest

from rlm_dsl import api, traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.trace import merkle
from rlm_dsl.trace.events import whole_lines
from rlm_dsl.trace.layout import EVENTS, SEAL, SIGNATURE
from rlm_dsl.trace.proof import read_proof, written
from rlm_dsl.trace.reader import Trace
from tests.support.forging import of_json

# The leaves, roots and paths of Certificate Transparency's own tests of RFC 6962 (merkle tree of 8 leaves).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = """
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
""".split()
PATHS = {
    (0, 1): [],
    (0, 8): """
96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7
5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4
""".split(),
    (5, 8): """
bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
""".split(),
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): """
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
""".split(),
}


def test_roots_and_paths_are_the_published_ones() -> None:
    assert [merkle.root(LEAVES[: count + 1]).hex() for count in range(8)] == ROOTS
    for (index, count), path in PATHS.items():
        assert [digest.hex() for digest in merkle.prove(LEAVES[:count], index)] == path
        proof = [bytes.fromhex(digest) for digest in path]
        assert merkle.check_proof(LEAVES[index], index, count, proof, bytes.fromhex(ROOTS[count - 1]))


@pytest.fixture
def trace(recorded_trace: Path) -> Path:
    return recorded_trace


def sealed(trace: Path) -> dict[str, str]:
    held: dict[str, str] = json.loads((trace / SEAL).read_text())["predicate"]
    return held


def test_every_call_and_event_is_proven_by_head_and_by_root(trace: Path) -> None:
    known = sealed(trace)
    keys = Trace.open(trace).table("calls").column("key").to_pylist()
    assert len(keys) == 27
    for what in [*keys[:4], keys[-1][:12], *range(len(list(whole_lines(trace / EVENTS))))]:
        made = read_proof(written(traces.prove(trace, what)))
        assert traces.check_proof(made, head=known["head"], root=known["merkle_root"]) == []
        assert traces.check_proof(made, head="0" * 64) and traces.check_proof(made, root="0" * 64)


def test_a_proof_carries_the_recorded_call_and_nothing_of_the_others(trace: Path) -> None:
    rows = Trace.open(trace).table("calls").to_pylist()
    made = traces.prove(trace, rows[3]["key"])
    assert made["leaf"]["row"] == rows[3]
    others = [row["request"] for row in rows if row["key"] != rows[3]["key"]]
    assert not any(json.dumps(other)[1:-1] in written(made).decode() for other in others)


@pytest.mark.parametrize("what", ["call", 3])
def test_every_flipped_byte_of_a_proof_is_found(trace: Path, what: str | int) -> None:
    keys = Trace.open(trace).table("calls").column("key").to_pylist()
    content = written(traces.prove(trace, keys[5] if what == "call" else what))
    head = sealed(trace)["head"]
    unseen = [at for at in range(len(content)) for bit in (1, 2, 32) if holds(flipped(content, at, bit), head)]
    assert unseen == [] and holds(content, head)


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]


def holds(content: bytes, head: str) -> bool:
    try:
        return traces.check_proof(read_proof(content), head=head) == []
    except UserError:
        return False


@pytest.mark.parametrize("what", ["call", 3, "last"])
def test_every_value_of_a_proof_counts(trace: Path, tmp_path: Path, what: str | int) -> None:
    """Each path of its JSON changed, left out, doubled, added to, and written as the program writes it."""
    keys = Trace.open(trace).table("calls").column("key").to_pylist()
    last = len(list(whole_lines(trace / EVENTS))) - 1
    content = written(traces.prove(trace, keys[5] if what == "call" else last if what == "last" else what))
    head = sealed(trace)["head"]
    (tmp_path / "p.json").write_bytes(content)
    tried = 0
    for forgery in of_json(tmp_path, "p.json"):
        (tmp_path / "p.json").write_bytes(content)
        forgery.change(tmp_path)
        forged = (tmp_path / "p.json").read_bytes()
        if forged != content:
            tried += 1
            assert not holds(forged, head), (forgery.way, forgery.where)
    assert tried > (8 if what == "last" else 20)


def test_a_proof_of_odd_numbers_and_kinds_is_refused(trace: Path) -> None:
    made, head = traces.prove(trace, 1), sealed(trace)["head"]
    assert traces.check_proof(made, head=head) == []
    for odd in (True, 1.0, "1", None, [1]):
        assert traces.check_proof({**made, "leaf": {**made["leaf"], "index": odd}}, head=head)
    for odd in ("call", "odd", None, 1):
        assert traces.check_proof({**made, "leaf": {**made["leaf"], "kind": odd}}, head=head)


def test_a_forged_answer_does_not_hold_even_when_its_own_tree_does(trace: Path) -> None:
    """The whole proof made anew around another answer gives another head."""
    from rlm_dsl.trace.commitment import call_leaf
    from rlm_dsl.trace.events import event_hash

    keys = Trace.open(trace).table("calls").column("key").to_pylist()
    made = copy.deepcopy(traces.prove(trace, keys[0]))
    made["leaf"]["row"]["answer"] = made["leaf"]["row"]["answer"].replace("label", "lable")
    assert traces.check_proof(made)
    closing = json.loads(made["closing"]["line"])
    closing |= {"calls_recorded": 1, "calls_root": merkle.root([call_leaf(made["leaf"]["row"])]).hex(), "seq": 0}
    closing["hash"] = event_hash(closing)
    line = json.dumps(closing, ensure_ascii=False)
    made["leaf"] |= {"index": 0, "path": []}
    made |= {"closing": {"line": line, "path": []}, "merkle_root": merkle.root([line.encode()]).hex()}
    assert traces.check_proof(made) == []
    assert len(traces.check_proof(made, head=sealed(trace)["head"])) == 1


def test_what_cannot_be_proven_is_said(trace: Path, tmp_path: Path) -> None:
    last = len(list(whole_lines(trace / EVENTS))) - 1
    for what, told in (
        ("ab", "8 digits"),
        ("0" * 12, "no call"),
        (10_000, f"no event 10000\n  hint: its events are numbered 0 to {last}"),
    ):
        with pytest.raises(UserError) as refused:
            traces.prove(trace, what)
        assert told in str(refused.value)
    for content in (b"{}", b"", b"[]", b'{"schema": "rlm-proof/1"}', b"\xff"):
        with pytest.raises(UserError, match="no proof"):
            read_proof(content)
    for form in ({}, {"closing": 1, "leaf": None}, {"closing": {"line": "{}", "path": []}, "leaf": 3}):
        assert traces.check_proof(form) == ["it is not of a proof's form"]


# --- signatures


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Private and public keys in the forms that openssl and ssh-keygen write."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    plain = s.NoEncryption()
    one, other, rsa = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), generate_private_key(65537, 2048)
    return {
        "pem": one.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, plain),
        "ssh": one.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, plain),
        "public": one.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo),
        "public ssh": one.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH),
        "other": other.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo),
        "rsa": rsa.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, plain),
    }


@pytest.fixture
def copied(trace: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(trace, tmp_path / "run.trace")
    return tmp_path / "run.trace"


def data(trace: Path) -> dict[str, str]:
    return {"tickets": str(trace.parent / "tickets.csv")}


@pytest.mark.parametrize("form", ["pem", "ssh"])
def test_a_signed_trace_verifies_by_its_key_alone(form: str, copied: Path, trace: Path, keys: dict[str, bytes]) -> None:
    traces.sign(copied, keys[form])
    assert api.verify(copied, data(trace)).ok
    for public in ("public", "public ssh"):
        assert api.verify(copied, data(trace), public_key=keys[public]).ok
    report = api.verify(copied, data(trace), public_key=keys["other"])
    assert [d.code for d in report.divergences] == ["D01"] and "not signed by the key" in report.divergences[0].message
    assert not any(keys[form][40:80] in path.read_bytes() for path in copied.rglob("*") if path.is_file())


def test_a_packed_trace_is_signed_in_its_zip(copied: Path, trace: Path, keys: dict[str, bytes]) -> None:
    packed = traces.pack(copied)
    traces.sign(packed, keys["pem"])
    assert api.verify(packed, data(trace), public_key=keys["public"]).ok
    traces.sign(copied, keys["pem"])
    assert traces.pack(copied, copied.parent / "again.zip").read_bytes() == packed.read_bytes()


def test_the_envelope_is_dsse_as_another_implementation_reads_it(copied: Path, keys: dict[str, bytes]) -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    traces.sign(copied, keys["pem"])
    envelope = dsse.Envelope.from_dict(json.loads((copied / SIGNATURE).read_text()))
    assert envelope.payload == (copied / SEAL).read_bytes()
    (keyid,) = envelope.signatures
    public = SSlibKey.from_crypto(load_pem_public_key(keys["public"]), keyid=keyid)
    assert set(envelope.verify([public], 1)) == {keyid}
    stranger = SSlibKey.from_crypto(load_pem_public_key(keys["other"]), keyid=keyid)
    with pytest.raises(Exception, match="signatures"):
        envelope.verify([stranger], 1)


def test_every_flipped_byte_of_a_signature_is_found(copied: Path, keys: dict[str, bytes]) -> None:
    from rlm_dsl.trace.signing import signature_fault

    traces.sign(copied, keys["pem"])
    envelope = json.loads((copied / SIGNATURE).read_text())
    signature = envelope["signatures"][0]["sig"]
    for at in range(0, len(signature), 5):
        other = "A" if signature[at] != "A" else "B"
        envelope["signatures"][0]["sig"] = signature[:at] + other + signature[at + 1 :]
        (copied / SIGNATURE).write_text(json.dumps(envelope))
        assert signature_fault(copied, keys["public"])
    (copied / SIGNATURE).write_text("{}")
    assert signature_fault(copied, keys["public"]) == "the signature cannot be read"
    (copied / SIGNATURE).unlink()
    assert signature_fault(copied, keys["public"]) == "the trace is not signed"


def test_every_value_of_an_envelope_counts(copied: Path, keys: dict[str, bytes]) -> None:
    """But for what DSSE says is a hint, the key's id, and fields that it says are to be passed over: by none of these
    is another seal signed, or is it signed by another."""
    from rlm_dsl.trace.signing import signature_fault

    traces.sign(copied, keys["pem"])
    content = (copied / SIGNATURE).read_bytes()
    tried = 0
    for forgery in of_json(copied, SIGNATURE):
        (copied / SIGNATURE).write_bytes(content)
        forgery.change(copied)
        passed_over = forgery.way in ("field added", "field twice", "element twice") or forgery.where.endswith("keyid")
        passed_over |= forgery.way == "value changed" and forgery.where.split()[2:] in (
            [],
            ["signatures"],
            ["signatures.0"],
        )
        if not passed_over:
            tried += 1
            assert signature_fault(copied, keys["public"]), (forgery.way, forgery.where)
        assert signature_fault(copied, keys["other"]), (forgery.way, forgery.where)
    assert tried > 5


def test_a_signature_of_a_changed_seal_fails(copied: Path, trace: Path, keys: dict[str, bytes]) -> None:
    from rlm_dsl.trace.seal import write_seal

    traces.sign(copied, keys["pem"])
    (copied / "plan.sql").write_text("SELECT 2;\n")
    write_seal(copied)
    faults = api.verify(copied, data(trace), public_key=keys["public"]).divergences
    assert "the signature is of another seal" in [fault.message for fault in faults]


@pytest.mark.parametrize("wrong", ["rsa", "public", "nothing"])
def test_a_key_of_another_kind_is_refused_and_not_quoted(wrong: str, copied: Path, keys: dict[str, bytes]) -> None:
    content = keys.get(wrong, b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0LWJ5dGVz\n-----END PRIVATE KEY-----")
    with pytest.raises(UserError, match="no private ed25519 key") as refused:
        traces.sign(copied, content)
    assert "c2Vj" not in str(refused.value) and not (copied / SIGNATURE).exists()


def test_keys_of_openssl_are_read(copied: Path, trace: Path, tmp_path: Path) -> None:
    try:
        made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(tmp_path / "key.pem")]
        subprocess.run(made, check=True, capture_output=True)
        public = ["openssl", "pkey", "-in", str(tmp_path / "key.pem"), "-pubout"]
        key = subprocess.run(public, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl with ed25519 here")
    traces.sign(copied, (tmp_path / "key.pem").read_bytes())
    assert api.verify(copied, data(trace), public_key=key).ok
