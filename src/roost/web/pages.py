"""The pages: server-rendered, for people."""

from __future__ import annotations

from fastapi import FastAPI


def add_pages(app: FastAPI) -> None:
    """Add the pages and their static files to the app."""
    del app
