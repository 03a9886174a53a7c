"""Serves one model file over llama.cpp's own HTTP server, on loopback only.

usage: llama_server.py MODEL.gguf PORT NAME

Started by `cargo xtask real`, which ends it. Everything is on the command line; nothing is fetched.
"""

import signal
import sys

import xllamacpp


def main() -> None:
    path, port, name = sys.argv[1:4]
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    # Shared by the slots: each has half of it.
    params.n_ctx = 8192
    params.n_parallel = 2
    # More threads than free cores would wait for each other.
    params.cpuparams.n_threads = 1
    # The chat template of the model itself.
    params.use_jinja = True
    params.offline = True
    # Kept in a name: the server lives as long as this object does.
    server = xllamacpp.Server(params)
    print("listening", server.listening_address, flush=True)
    signal.pause()


main()
