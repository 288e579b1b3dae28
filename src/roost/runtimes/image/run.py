"""Runs one program of an image by executing it: `python -m roost.runtimes.image.run MODULE [ARGUMENT ...]`."""

import importlib
import sys

if __name__ == "__main__":
    sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))
