"""Files in memory, as the files pages of the OpenAI API: what batches read and write."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from mcu.simulate.wire import Refused, page, page_of

_PURPOSE = "batch"


@dataclass(frozen=True)
class File:
    """A file."""

    name: str
    data: bytes
    purpose: str = _PURPOSE
    id: str = field(default_factory=lambda: f"file-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def as_json(self) -> dict[str, Any]:
        """The file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": self.created,
            "expires_at": None,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


class Files:
    """All files, the oldest first."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}

    def add(self, file: File) -> File:
        """Keep a file."""
        self._files[file.id] = file
        return file

    def get(self, id_: str) -> File:
        """The file of an id; Refused when there is none."""
        if found := self._files.get(id_):
            return found
        raise Refused(404, f"No such File object: {id_}", param="id")

    def routes(self) -> list[web.RouteDef]:
        """The pages."""
        return [
            web.post("/v1/files", page_of(self._upload)),
            web.get("/v1/files", page_of(self._list)),
            web.get("/v1/files/{id}", page_of(self._show)),
            web.get("/v1/files/{id}/content", page_of(self._content)),
            web.delete("/v1/files/{id}", page_of(self._delete)),
        ]

    async def _upload(self, request: web.Request) -> Any:
        if request.content_type != "multipart/form-data":
            raise Refused(400, "a file comes as multipart/form-data")
        form = await request.post()
        file, purpose = form.get("file"), form.get("purpose")
        if not isinstance(file, web.FileField):
            raise Refused(400, "'file' is a required property", param="file")
        with file.file:
            data = file.file.read()
        if purpose != _PURPOSE:
            raise Refused(400, f"'purpose' must be '{_PURPOSE}', not {purpose!r}", param="purpose")
        return self.add(File(file.filename, data)).as_json()

    async def _list(self, request: web.Request) -> Any:
        purpose = request.query.get("purpose")
        rows = [f.as_json() for f in self._files.values() if purpose in (None, f.purpose)]
        return page(rows, request.query, 10_000, 10_000)

    async def _show(self, request: web.Request) -> Any:
        return self.get(request.match_info["id"]).as_json()

    async def _content(self, request: web.Request) -> Any:
        data = self.get(request.match_info["id"]).data
        return web.Response(body=data, content_type="application/octet-stream")

    async def _delete(self, request: web.Request) -> Any:
        file = self.get(request.match_info["id"])
        del self._files[file.id]
        return {"id": file.id, "object": "file", "deleted": True}
