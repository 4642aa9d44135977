"""The loopback Hub's answers over HTTP, written from what huggingface_hub sends."""

import base64
import hashlib
import json
import re
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hub import LARGE, PART, Commit, Entry
from hub_wire import Wire

_PAGE = 50  # entries of a listing before the next page


class Handler(Wire):
    """The interface: a method for each route of the table below."""

    def whoami(self) -> None:
        if not self._authorised():
            self._answer(401, {"error": "Invalid credentials in Authorization header"})
            return
        access = {"displayName": "tests", "role": self.hub.role}
        self._answer(
            200,
            {
                "type": "user",
                "name": "ada",
                "orgs": [],
                "auth": {"type": "access_token", "accessToken": access},
            },
        )

    def create(self) -> None:
        asked = json.loads(self._body())
        name = f"{asked.get('organization') or 'ada'}/{asked['name']}"
        if asked.get("organization", "ada") not in self.hub.owners or self.hub.role != "write":
            self._answer(403, {"error": f"You don't have the rights to create {name}"})
            return
        with self.hub.lock:
            exists = name in self.hub.repos
            if not exists:
                private = asked.get("visibility") == "private" or asked.get("private", False)
                self.hub.create(name, private)
        url = {"url": f"{self.hub.url}/datasets/{name}", "name": name}
        self._answer(409 if exists else 200, url)

    def info(self, repo: str, revision: str | None = None) -> None:
        if (found := self._commit(repo, revision or "main")) is None:
            return
        one, commit = found
        fact = {"_id": "0" * 24, "id": repo, "author": repo.split("/")[0], "sha": commit.sha}
        fact |= {"private": one.private, "gated": False, "disabled": False, "tags": []}
        fact |= {"lastModified": "2026-01-01T00:00:00.000Z", "downloads": 0, "likes": 0}
        self._answer(200, fact | {"siblings": [{"rfilename": path} for path in commit.files]})

    def settings(self, repo: str) -> None:
        if (one := self._repo(repo, write=True)) is not None:
            asked = json.loads(self._body())
            one.private = asked.get("private", asked.get("visibility") == "private")
            self._answer(200, {"private": one.private})

    def validate(self) -> None:
        if "license: nobody-knows" in json.loads(self._body())["content"]:
            why = [{"message": '"license" must be one of a list'}]
            self._answer(400, {"errors": why, "warnings": []})
        else:
            self._answer(200, {"errors": [], "warnings": [{"message": "empty metadata"}]})

    def preupload(self, repo: str, revision: str) -> None:
        if (one := self._repo(repo, write=True)) is None:
            return
        there, answers = one.head.files, []
        for asked in json.loads(self._body())["files"]:
            path = asked["path"]
            mode = "lfs" if path.endswith(LARGE) or asked["size"] > 10_000_000 else "regular"
            answer = {"path": path, "uploadMode": mode, "shouldIgnore": False}
            answers.append(answer | ({"oid": there[path].oid} if path in there else {}))
        self._answer(200, {"files": answers, "commitOid": one.head.sha})

    def batch(self, repo: str) -> None:
        if self._repo(repo, write=True) is None:
            return
        objects = []
        for asked in json.loads(self._body())["objects"]:
            oid, size = asked["oid"], asked["size"]
            fact: dict[str, Any] = {"oid": oid, "size": size}
            if not self.hub.blob(oid).exists():
                fact["actions"] = self._actions(oid, size)
            objects.append(fact)
        self._answer(200, {"transfer": "multipart", "objects": objects})

    def _actions(self, oid: str, size: int) -> dict[str, Any]:
        url = self.hub.url
        upload: dict[str, Any] = {"href": f"{url}/lfs/{oid}"}
        if size > PART:
            numbers = range(1, ceil(size / PART) + 1)
            header = {str(n): f"{url}/lfs/{oid}/{n}" for n in numbers}
            upload = {"href": f"{url}/lfs/{oid}", "header": {"chunk_size": str(PART), **header}}
        return {"upload": upload, "verify": {"href": f"{url}/lfs/{oid}/verify"}}

    def put(self, oid: str, part: str = "") -> None:
        """Take one file, or one part of it; half a body is thrown away."""
        digest = hashlib.sha256()
        target = self.hub.folder / f"{oid}.{part or 'one'}.{id(self)}"
        try:
            with target.open("wb") as file:
                for piece in self._pieces():
                    digest.update(piece)
                    file.write(piece)
        except ConnectionError:
            target.unlink()
            self.close_connection = True
            return
        if part:
            target.rename(self.hub.folder / f"{oid}.{part}")
        else:
            self._store(oid, target, digest.hexdigest())
        self._answer(200, {}, {"ETag": f'"{digest.hexdigest()[:32]}"'})

    def complete(self, oid: str) -> None:
        parts = json.loads(self._body())["parts"]
        files = [self.hub.folder / f"{oid}.{one['partNumber']}" for one in parts]
        digest = hashlib.sha256()
        whole = self.hub.folder / f"{oid}.whole"
        with whole.open("wb") as out:
            for file in files:
                data = file.read_bytes()
                digest.update(data)
                out.write(data)
                file.unlink()
        self._store(oid, whole, digest.hexdigest())
        self._answer(200, {})

    def _store(self, oid: str, file: Path, sha256: str) -> None:
        if oid == sha256:
            file.rename(self.hub.blob(oid))
            with self.hub.lock:
                self.hub.stored[oid] += 1
        else:
            file.unlink()

    def verify(self, oid: str) -> None:
        size = json.loads(self._body())["size"]
        file = self.hub.blob(oid)
        good = file.exists() and file.stat().st_size == size
        self._answer(200 if good else 422, {} if good else {"error": "the object is not there"})

    def commit(self, repo: str, revision: str) -> None:
        if (one := self._repo(repo, write=True)) is None:
            return
        lines = [json.loads(line) for line in self._body().splitlines()]
        title, added, deleted = "", list[Entry](), list[str]()
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                title = value["summary"]
            elif line["key"] == "file":
                added.append(self.hub.keep(value["path"], base64.b64decode(value["content"])))
            elif line["key"] == "lfsFile":
                added.append(self.hub.large(value["path"], value["oid"]))
            elif line["key"] == "deletedFile":
                deleted.append(value["path"])
        with self.hub.lock:
            done = one.commit(title, added, deleted)
        url = f"{self.hub.url}/datasets/{repo}/commit/{done.sha}"
        self._answer(
            200, {"success": True, "commitOid": done.sha, "commitUrl": url, "hookOutput": ""}
        )

    def tree(self, repo: str, revision: str, folder: str = "") -> None:
        if (found := self._commit(repo, revision)) is None:
            return
        query = parse_qs(urlsplit(self.path).query)
        start = int(query.get("cursor", ["0"])[0])
        prefix = f"{folder}/" if folder else ""
        recursive = query.get("recursive", ["false"])[0].lower()
        entries = self._entries(found[1], prefix, recursive == "true")
        if folder and not entries:
            self._answer(404, {"error": "no such folder"}, {"X-Error-Code": "EntryNotFound"})
            return
        more = {}
        if start + _PAGE < len(entries):
            where = f"{self.hub.url}{urlsplit(self.path).path}"
            url = f"{where}?recursive={recursive}&cursor={start + _PAGE}"
            more = {"Link": f'<{url}>; rel="next"'}
        self._answer(200, entries[start : start + _PAGE], more)

    def _entries(self, commit: Commit, prefix: str, recursive: bool) -> list[dict[str, Any]]:
        """Files and folders below a prefix, by path."""
        found: dict[str, dict[str, Any]] = {}
        for path, entry in commit.files.items():
            if not path.startswith(prefix):
                continue
            inside = path[len(prefix) :].split("/")
            for depth in range(1, len(inside) if recursive else min(2, len(inside))):
                folder = prefix + "/".join(inside[:depth])
                found[folder] = {"type": "directory", "path": folder, "size": 0, "oid": "0" * 40}
            if recursive or len(inside) == 1:
                found[path] = entry.json()
                if path in self.hub.lies:
                    found[path]["lfs"]["oid"] = "0" * 64
        return [found[path] for path in sorted(found)]

    def paths(self, repo: str, revision: str) -> None:
        if (found := self._commit(repo, revision)) is None:
            return
        body = self._body()
        as_json = "json" in self.headers.get("Content-Type", "")
        asked = json.loads(body)["paths"] if as_json else parse_qs(body.decode())["paths"]
        files = found[1].files
        self._answer(200, [files[path].json() for path in asked if path in files])

    def resolve(self, repo: str, revision: str, path: str) -> None:
        if (found := self._commit(repo, revision)) is None:
            return
        entry = found[1].files.get(path)
        if entry is None:
            self._answer(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            return
        data = self.hub.blob(entry.sha256).read_bytes()
        headers = {
            "ETag": f'"{entry.oid}"',
            "X-Repo-Commit": found[1].sha,
            "Accept-Ranges": "bytes",
        }
        if entry.large:
            headers |= {"X-Linked-Etag": f'"{entry.oid}"', "X-Linked-Size": str(entry.size)}
        status = 200
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(match[1]), int(match[2] or len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        self._answer(status, data, headers)


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_REVISION = r"(?P<revision>[^/]+)"
_OID = r"/lfs/(?P<oid>[0-9a-f]{64})"
_API = f"/api/datasets/{_REPO}"
_ROUTES: tuple[tuple[str, str, str, str], ...] = (
    ("GET", "/api/whoami-v2", "whoami", "whoami"),
    ("POST", "/api/repos/create", "create", "create"),
    ("POST", "/api/validate-yaml", "validate", ""),
    ("GET", _API, "info", "info"),
    ("GET", f"{_API}/revision/{_REVISION}", "info", "info"),
    ("PUT", f"{_API}/settings", "settings", ""),
    ("POST", f"{_API}/preupload/{_REVISION}", "preupload", "preupload"),
    ("POST", f"{_API}/commit/{_REVISION}", "commit", "commit"),
    ("GET", f"{_API}/tree/{_REVISION}", "tree", "tree"),
    ("GET", f"{_API}/tree/{_REVISION}/(?P<folder>.+)", "tree", ""),
    ("POST", f"{_API}/paths-info/{_REVISION}", "paths", ""),
    ("POST", f"/datasets/{_REPO}.git/info/lfs/objects/batch", "batch", "batch"),
    ("PUT", _OID, "put", "put"),
    ("PUT", _OID + r"/(?P<part>\d+)", "put", "put"),
    ("POST", _OID, "complete", "complete"),
    ("POST", f"{_OID}/verify", "verify", ""),
    ("GET HEAD", f"/datasets/{_REPO}/resolve/{_REVISION}/(?P<path>.+)", "resolve", "resolve"),
)
Handler.routes = _ROUTES
