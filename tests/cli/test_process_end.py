"""A command ends with its own exit code, whatever threads in C++ are still at work for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

AMID_READING = """
import io, sys, threading, time
import pyarrow.parquet as pq
from rlm_dsl.common.processes import end

asked = threading.Event()

class Slow(io.FileIO):
    def read(self, size=-1):
        if threading.current_thread() is not threading.main_thread():
            asked.set()
            time.sleep(0.05)  # the thread of Arrow's comes back when the interpreter is on its way out
        return super().read(size)

class Late:
    def __del__(self):
        time.sleep(0.15)

sys.held = Late()
batches = pq.ParquetFile(Slow(sys.argv[1]), pre_buffer=True).iter_batches(10)
threading.Thread(target=next, args=(batches,), daemon=True).start()
asked.wait()
import atexit
atexit.register(print, "handlers run")
sys.stdout.write("an answer; ")
"""


def test_a_process_ends_with_its_code_while_arrow_reads(tmp_path: Path) -> None:
    """The same process, ended as Python does it, is aborted: this shows that the case is one."""
    pq.write_table(pa.table({"n": [*range(5_000)]}), tmp_path / "n.parquet", row_group_size=500)
    codes = {}
    for way in ("end(3)", "sys.exit(3)"):
        words = [sys.executable, "-c", AMID_READING + way, str(tmp_path / "n.parquet")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        codes[way] = done.returncode
        assert way != "end(3)" or done.stdout == "an answer; handlers run\n"
    assert codes["end(3)"] == 3 != codes["sys.exit(3)"]
