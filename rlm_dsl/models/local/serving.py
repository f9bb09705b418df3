"""The process that serves one model on loopback: llama.cpp's own server, from the package `xllamacpp`.

In: on standard input, a line of JSON (model, context, slots, threads, key). Out: on standard output, a line with the
address. Law: it listens on loopback alone, answers who has the key alone, and ends with whoever started it: its
standard input closes then, however that one ended.
"""

from __future__ import annotations

import json
import os
import sys

READY = "rlm-dsl local server: "
"""What the line with the address begins with; other lines are the library's."""
NOT_INSTALLED = 3
"""Exit code where the library is not there."""


def main() -> None:
    given = json.loads(sys.stdin.readline())
    try:
        import xllamacpp
    except ImportError:
        sys.stderr.write("the package xllamacpp is not installed\n")
        sys.exit(NOT_INSTALLED)
    settings = xllamacpp.CommonParams()
    settings.model.path = given["path"]
    settings.model_alias = {given["name"]}
    settings.n_ctx, settings.n_parallel = given["window"] * given["slots"], given["slots"]
    settings.kv_unified = False  # each slot has its own part, so that none is short of what it was promised
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = given["threads"]
    settings.hostnames, settings.port, settings.api_keys = ["127.0.0.1"], 0, [given["key"]]
    settings.sampling.temp = 0.0  # where a request says none: equal questions are to get equal answers
    settings.ui, settings.offline, settings.endpoint_slots = False, True, True
    server = xllamacpp.Server(settings)
    sys.stdout.write(f"{READY}{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
