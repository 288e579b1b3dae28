"""In the place of `roost.runtimes.image.lab`: answers like a JupyterLab that is ready, and does nothing else."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def main(_argv: Sequence[str] = ()) -> None:
    """Serve for ever on the socket the platform looks at."""
    path = os.environ["ROOST_SOCKET_HTTP"]
    door = socket.socket(socket.AF_UNIX)
    door.bind(path + ".draft")
    os.chmod(path + ".draft", 0o660)
    door.listen(16)
    os.rename(path + ".draft", path)
    while True:
        guest = door.accept()[0]
        guest.recv(65536)
        guest.sendall(ANSWER)
        guest.close()


if __name__ == "__main__":
    main(sys.argv[1:])
