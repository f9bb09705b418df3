"""Zips and signatures of strangers: nothing that no seal lists is unpacked, nothing grows beyond measure, no signature
of somebody else is lost.

In: a packed trace, changed. Out: nothing but a verdict. Law: what is refused is refused before it is unpacked or held.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlm_dsl import cli, traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.trace.layout import SIGNATURE
from rlm_dsl.trace.reader import Trace
from tests.support.optional import needs


@pytest.fixture
def packed(recorded_trace: Path, tmp_path: Path) -> Path:
    return traces.pack(recorded_trace, tmp_path / "a.trace.zip")


def with_entry(packed: Path, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = zipfile.ZipInfo(name)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, mode << 16
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(entry, content)


@pytest.mark.parametrize("name", ["extra.bin", "payload/extra.parquet", "payload/step-099-x.parquet"])
def test_what_no_seal_lists_is_not_unpacked(packed: Path, tmp_path: Path, name: str) -> None:
    with_entry(packed, name, b"x" * 1000)
    with pytest.raises(UserError, match="was added"):
        traces.unpack(packed, tmp_path / "b.trace")
    assert not (tmp_path / "b.trace").exists()


@pytest.mark.parametrize("name", ["../out", "/out", "a/b/c", "..\\out", "payload/../../out", "C:out"])
def test_no_name_leads_out_of_the_folder(packed: Path, tmp_path: Path, name: str) -> None:
    with_entry(packed, name, b"x")
    with pytest.raises(UserError, match="it holds"):
        Trace.open(packed)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith("out")]


def test_a_link_in_a_zip_is_no_link(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("PRIVATE")
    with_entry(packed, "payload/extra.parquet", str(tmp_path / "private").encode(), stat.S_IFLNK | 0o777)
    held = Trace.open(packed, changed=True)
    assert not (held.folder / "payload" / "extra.parquet").is_symlink()
    with pytest.raises(UserError, match="was added"):
        traces.unpack(packed, tmp_path / "b.trace")


@pytest.mark.parametrize("command", ["verify", "show", "cite", "view", "unpack", "export", "prove", "diff", "sign"])
def test_a_bomb_is_refused_by_every_command(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with_entry(packed, "payload/blank.parquet", b" " * (1 << 25))
    (tmp_path / "key").write_text("no key")
    more = {
        "export": ["--otlp"],
        "prove": ["--event", "0"],
        "diff": [str(packed)],
        "sign": ["--key", str(tmp_path / "key")],
        "unpack": ["--to", str(tmp_path / "b.trace")],
        "view": ["--out", str(tmp_path / "b.html")],
    }
    assert cli.run([command, str(packed), *more.get(command, [])]) == 2
    assert "would unpack" in capsys.readouterr().err


def test_a_text_that_is_too_large_is_not_held(
    recorded_trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(recorded_trace, tmp_path / "a.trace")
    with (tmp_path / "a.trace" / "trace.json").open("ab") as file:
        file.truncate(1 << 29)
    with pytest.raises(UserError, match=r"trace\.json has 536,870,912 bytes, and is not read"):
        _ = Trace.open(tmp_path / "a.trace", changed=True).header


@pytest.mark.parametrize(("rows", "width"), [(300_000, 1_000), (1_000_000, 0)])
def test_a_table_that_grows_is_not_held(
    recorded_trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, width: int
) -> None:
    """Of the same text in every row a file has it once; a column of nothing is known by its count before it is read."""
    trace = tmp_path / "a.trace"
    shutil.copytree(recorded_trace, trace)
    assert Trace.open(trace).table("calls").num_rows == 27
    again = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * width]))
    path = trace / "payload" / "calls.parquet"
    pq.write_table(pa.table({"key": again}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 200_000
    monkeypatch.setattr("rlm_dsl.trace.reader.LEAST_ROOM", 1 << 21)
    with pytest.raises(UserError, match=r"payload/calls\.parquet would take .* or more, and is not read"):
        Trace.open(trace, changed=True).table("calls")


def test_a_packed_trace_with_any_byte_turned_is_refused_or_the_same(recorded_trace: Path, tmp_path: Path) -> None:
    """All that a zip holds beside its files, such as times and comments, is not read."""
    packed = traces.pack(recorded_trace, tmp_path / "a.trace.zip")
    content, wanted = packed.read_bytes(), files_of(recorded_trace)
    for at in range(0, len(content), len(content) // 150):
        packed.write_bytes(content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :])
        try:
            held = Trace.open(packed)
        except UserError:
            continue
        assert files_of(held.folder) == wanted, at


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@needs("cryptography")
def test_signatures_of_several_stand_beside_each_other(recorded_trace: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from rlm_dsl.trace.signing import signature_fault

    def pair() -> tuple[bytes, bytes]:
        made = Ed25519PrivateKey.generate()
        private = made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        return private, made.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)

    trace = tmp_path / "a.trace"
    shutil.copytree(recorded_trace, trace)
    one, other = pair(), pair()
    for private, _ in (one, other, one):
        traces.sign(trace, private)
    assert signature_fault(trace, one[1]) is None and signature_fault(trace, other[1]) is None
    assert (trace / SIGNATURE).read_text().count('"keyid"') == 2
    traces.sign(trace, one[0], replace=True)
    assert signature_fault(trace, other[1]) is not None
    (trace / SIGNATURE).write_text((trace / SIGNATURE).read_text().replace('"payload": "', '"payload": "AAAA'))
    with pytest.raises(UserError, match="no signature of this seal"):
        traces.sign(trace, other[0])
    traces.sign(trace, other[0], replace=True)
    assert signature_fault(trace, other[1]) is None
