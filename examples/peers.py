"""Run the demo peers: `python examples/peers.py --port 0 --ready-file peers.json`.

The ready file holds, as JSON, the environment in which Daybook finds them.
"""

import argparse
import json
import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples.demo_peers import server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8790, help="0 picks a free one")
    parser.add_argument("--ready-file", type=Path, help="written when they answer")
    parser.add_argument("--settle-after", type=float, help="customers pay after so many seconds")
    options = parser.parse_args()

    listener = socket.create_server((options.host, options.port), backlog=128)
    settings = server.environment(f"http://{options.host}:{listener.getsockname()[1]}")
    if options.ready_file is not None:
        _write(options.ready_file, json.dumps(settings))
    print(json.dumps(settings), flush=True)
    try:
        server.serve(listener, server.all_peers(settle_after_s=options.settle_after))
    except KeyboardInterrupt:
        sys.exit(0)


def _write(path: Path, text: str) -> None:
    # In one step: whoever sees the file sees all of it.
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(text)
    os.replace(unfinished, path)


if __name__ == "__main__":
    main()
