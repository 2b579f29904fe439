"""The dashboard's page and its files, from memory.

Browsers ask for the page each time whether it has changed (ETag), and keep the files that it names.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import hdrs, web

from sysmonstm.gatewayd import web_files
from sysmonstm.gatewayd.compression import takes_gzip
from sysmonstm.gatewayd.web_files import State, WebFile, WebFiles, web_file
from sysmonstm.resources import in_source_tree, resource

ASKED_AGAIN = "no-cache"
KEPT = "public, max-age=31536000, immutable"
PAGE = "index.html"
# What the page starts with, as it is written and as the build makes one file of each (web/bundle).
SCRIPT, STYLE = "js/main.js", "css/main.css"
BUNDLED_SCRIPT, BUNDLED_STYLE = "bundle/main.js", "bundle/main.css"
SOURCES = ("js", "css", "vendor")


@dataclass(frozen=True, slots=True)
class Site:
    """The page, and the files that it names."""

    page: WebFile
    files: WebFiles


class Pages:
    """What is served now. Where it is `edited` meanwhile, whoever loads the page again is to see it."""

    def __init__(self, web_folder: Path, environment: jinja2.Environment, *, edited: bool) -> None:
        self._static, self._templates = web_folder / "static", web_folder / "templates"
        self._environment = environment
        self._edited = edited
        self._seen = self._look()
        self.site = self._read(self._seen)

    async def renewed(self) -> Site:
        """What is served, after a look at the disk if it may have changed there."""
        if self._edited:
            await asyncio.to_thread(self._renew)
        return self.site

    def _renew(self) -> None:
        seen = self._look()
        if seen != self._seen:
            self.site = self._read(seen)
            # Looked at before it was read: what has changed in between is read again at the next look.
            self._seen = seen

    def _look(self) -> State:
        return web_files.state(self._static) | web_files.state(self._templates)

    def _read(self, seen: State) -> Site:
        files = web_files.read(self._static)
        bundled = BUNDLED_SCRIPT in files.files and not (self._edited and self._is_behind(seen))
        page = self._environment.get_template(PAGE).render(
            static=f"static/{files.digest}",
            script=BUNDLED_SCRIPT if bundled else SCRIPT,
            style=BUNDLED_STYLE if bundled else STYLE,
        )
        return Site(web_file(PAGE, page.encode()), files)

    def _is_behind(self, seen: State) -> bool:
        """Whether any of what the bundle is made of was written after it."""
        made = seen.get(self._static / BUNDLED_SCRIPT, (0, 0))[0]
        sources = [self._static / folder for folder in SOURCES]
        return any(at > made for path, (at, _) in seen.items() if any(map(path.is_relative_to, sources)))


PAGES = web.AppKey("pages", Pages)


def setup(app: web.Application) -> None:
    """Read everything. What is installed stays as it is, or is exchanged by an upgrade that restarts us."""
    folder = resource("web")
    environment = aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(folder / "templates"), autoescape=True)
    app[PAGES] = Pages(folder, environment, edited=in_source_tree("web"))


async def index(request: web.Request) -> web.Response:
    """The dashboard."""
    site = await request.app[PAGES].renewed()
    return _answer(request, site.page, ASKED_AGAIN)


async def static_file(request: web.Request) -> web.Response:
    """One of the page's files."""
    found = request.app[PAGES].site.files.find(request.match_info["path"])
    if found is None:
        raise web.HTTPNotFound
    return _answer(request, found.file, KEPT if found.lasting else ASKED_AGAIN)


def _answer(request: web.Request, file: WebFile, caching: str) -> web.Response:
    short = file.gzip if takes_gzip(request) else None
    tag = file.digest if short is None else f"{file.digest}-gzip"
    headers = {hdrs.CACHE_CONTROL: caching, hdrs.ETAG: f'"{tag}"', hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if any(one.value in (tag, "*") for one in request.if_none_match or ()):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers[hdrs.CONTENT_TYPE] = file.content_type
    if short is None:
        return web.Response(body=file.body, headers=headers)
    return web.Response(body=short, headers=headers | {hdrs.CONTENT_ENCODING: "gzip"})
