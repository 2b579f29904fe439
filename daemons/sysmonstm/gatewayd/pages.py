"""The dashboard's page and its files. Browsers keep them and ask each time whether they have changed (ETag)."""

from __future__ import annotations

import aiohttp_jinja2
import jinja2
from aiohttp import web

from sysmonstm import __version__
from sysmonstm.resources import resource

CACHING = "no-cache"


def setup(app: web.Application) -> None:
    """Find the templates."""
    loader = jinja2.FileSystemLoader(resource("web") / "templates")
    aiohttp_jinja2.setup(app, loader=loader, autoescape=True)


async def index(request: web.Request) -> web.Response:
    """The dashboard."""
    page: web.Response = aiohttp_jinja2.render_template("index.html", request, {"version": __version__})
    page.headers["Cache-Control"] = CACHING
    return page


async def static_file(request: web.Request) -> web.FileResponse:
    """One of the page's files."""
    root = (resource("web") / "static").resolve()
    try:
        path = (root / request.match_info["path"]).resolve()
        found = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError):
        found = False  # no file can have such a name
    if not found:
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": CACHING})
