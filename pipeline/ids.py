"""Ids, seeds and hashes that depend on content alone."""

import hashlib
import json
import random
import uuid
from pathlib import Path
from typing import Any


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def sha256(data: bytes) -> str:
    """Hex digest of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """Hex digest of a file, however large."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return sha256(canonical(value))


def uuid4_of(*parts: Any) -> str:
    """A 36-character key in version-4 form, as the release uses, derived from content."""
    return str(uuid.UUID(bytes=hashlib.sha256(canonical(parts)).digest()[:16], version=4))


def key_bytes(key: str) -> bytes:
    """A key in 16 bytes: a UUID's own, a hash of anything else."""
    if len(key) == 36 and key.count("-") == 4:
        try:
            return bytes.fromhex(key.replace("-", ""))
        except ValueError:
            pass
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def seed_of(*parts: Any) -> int:
    """A 31-bit seed from content: what every backend accepts."""
    return int.from_bytes(hashlib.sha256(canonical(parts)).digest()[:4], "big") >> 1


def rng_of(*parts: Any) -> random.Random:
    """A random generator that depends on its arguments alone."""
    return random.Random(digest(parts))
