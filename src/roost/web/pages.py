"""The pages: server-rendered, for people. Every route is in the permission table, like those of the API."""

from __future__ import annotations

from fastapi import FastAPI

from roost.model.workload import Kind
from roost.web.errors import add_error_pages
from roost.web.routes import detail, entrance, listing, overview, people, settings, verbs, volumes


def add_pages(app: FastAPI) -> None:
    """Add the pages and their static files to the app."""
    for module in (entrance, overview):
        app.include_router(module.routes)
    for kind in (Kind.WORKSPACE, Kind.CLUSTER):
        for router in (listing.router, detail.router, verbs.router):  # "/new" before "/{id}"
            app.include_router(router(kind))
    for own in (volumes, people, settings):
        app.include_router(own.routes)
    add_error_pages(app)
