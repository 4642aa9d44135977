"""The release: Stark-format sets made from a finished run, whole or not at all."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu import __version__
from mcu.backends.diffusers.routes import public
from mcu.config import Config
from mcu.errors import StoreError
from mcu.ids import digest
from mcu.items import SPLITS
from mcu.release.cards import texts_digest, write_cards
from mcu.release.dialogue import DialogueFile
from mcu.release.episodes import Episode, episodes, sums_of
from mcu.release.images import ImageSet
from mcu.release.rows import face_fields, pictures_of, row, seen_fields
from mcu.release.sign import open_signer
from mcu.store import Unit, dump

if TYPE_CHECKING:
    from mcu.run import Run

_VERSION = 3
Tell = Callable[[int, int], None]  # how many episodes are done, and how many there are


def is_current(run: "Run") -> bool:
    """Whether the release was made from the units as they are now."""
    try:
        made = json.loads(_mark(run).read_bytes())
    except (OSError, ValueError):
        return False
    present: bool = made.get("fingerprint") == _fingerprint(run)
    return present and (run.root / "release").is_dir()


def build(run: "Run", tell: Tell | None = None) -> int:
    """Write the four sets of a finished run and their cards; gives the number of episodes.

    The sets are written beside the old release, which they replace when they are complete and on
    disk. Equal units give equal bytes, but for signatures. A run that lost every episode gets no
    release.

    Args:
        run: finished.
        tell: called now and then with the episodes that are done and how many there are.

    Raises:
        StoreError: the disk is full, or a unit's data were changed.
        ConfigError: pictures cannot be signed with `release.certificate` and `release.key`.
    """
    folder = run.root / ".release.tmp"
    try:
        with _scratch(folder):
            counts = _write(run, folder, tell or (lambda done, of: None))
            if not counts["episodes"]:
                return 0
            sync(folder)
            _replace(run, folder)
    except OSError as error:
        raise StoreError(f"the release cannot be written: {error.strerror or error}") from error
    mark = {"fingerprint": _fingerprint(run), **counts}
    run.store.write(_mark(run), dump(mark, indent=1))
    return counts["episodes"]


@contextmanager
def _scratch(folder: Path) -> Iterator[None]:
    """A folder that is not there before and after: a disk that is full is not left so."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sync(folder: Path) -> None:
    """See every file below a folder on disk, and the folders that name them."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _replace(run: "Run", folder: Path) -> None:
    """Put a complete release in place of the old one, whose mark goes first."""
    final, old = run.root / "release", run.root / ".release.old"
    _mark(run).unlink(missing_ok=True)
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        _rename(final, old)
    try:
        _rename(folder, final)
    except OSError:
        if old.exists():
            _rename(old, final)
        raise
    handle = os.open(run.root, os.O_RDONLY)
    with suppress(OSError):  # the names alone; a file system may not offer it
        os.fsync(handle)
    os.close(handle)
    shutil.rmtree(old, ignore_errors=True)


def _rename(path: Path, to: Path) -> None:
    path.rename(to)


def _write(run: "Run", folder: Path, tell: Tell) -> Counter[str]:
    settings, counts = run.config.release, Counter[str]()
    sets = _Sets(run, folder, counts)
    total, made_by = _total(run), provenance(run.config)
    try:
        for number, episode in enumerate(episodes(run, counts), 1):
            if settings.complete_only and not episode.complete:
                counts["left out for an empty image key"] += 1
            else:
                sets.add(episode, made_by)
            tell(number, total)
    except BaseException:
        sets.abandon()
        raise
    digests = sets.close()
    if counts["episodes"]:
        write_cards(run, folder, counts, digests)
    return counts


class _Sets:
    """The four sets while they are written, and what is counted of them."""

    def __init__(self, run: "Run", folder: Path, counts: Counter[str]) -> None:
        settings, store = run.config.release, run.store
        signer, most = open_signer(settings), settings.images_per_tar
        self._run, self._counts = run, counts
        self._dialogues = DialogueFile(folder / "stark-dialogue")
        self._images = ImageSet(folder / "stark-image", store, most, signer)
        self._faces = ImageSet(folder / "stark-face-image", store, most, signer)
        self._links = ImageSet(folder / "stark-image-url", None, most)
        self._named: dict[str, DialogueFile | ImageSet]
        self._named = {"stark-dialogue": self._dialogues, "stark-image": self._images}
        self._named |= {"stark-face-image": self._faces, "stark-image-url": self._links}

    def add(self, episode: Episode, made_by: str) -> None:
        """Write an episode with its pictures."""
        counts, split, face = self._counts, episode.split, episode.face
        self._dialogues.add(row(episode, self._run.config.run.seed, made_by), split)
        self._faces.add(face.key, face.image, face_fields(face), split)
        counts["episodes"] += 1
        counts["sessions"] += len(episode.sessions)
        turns = [turn for session in episode.sessions for turn in session.turns]
        counts["turns"] += len(turns)
        shared = sum(turn.image is not None for turn in turns)
        counts["image turns"] += shared
        counts["empty image turns"] += shared - sum(len(p.places) for p in episode.pictures)
        for slot in episode.pictures:
            for picture, fields in pictures_of(slot):
                name, to = "stark-image", self._images
                if not picture.copy_allowed:
                    name, to = "stark-image-url", self._links
                    fields |= seen_fields(self._run.store.image(picture.image))
                if to.add(picture.key, picture.image, fields, split):
                    counts[f"{name}:source:{fields['image_source']}"] += 1
                    counts[f"{name}:licence:{picture.licence or 'none'}"] += 1

    def abandon(self) -> None:
        """Give all open files back."""
        for written in self._named.values():
            written.abandon()

    def close(self) -> dict[str, str]:
        """End all files; gives the SHA-256 of each tar by `set/file`."""
        digests: dict[str, str] = {}
        for name, written in self._named.items():
            self._counts[name] = written.close()
            for split in SPLITS:
                if rows := written.rows[split]:
                    self._counts[f"{name}/{split}"] = rows
            if isinstance(written, ImageSet):
                digests |= {f"{name}/{file}": sha for file, sha in written.digests.items()}
        return digests


def provenance(config: Config) -> str:
    """What made a run, as the column of stark-dialogue tells it: no paths, no times."""
    chat, encoder = config.chat, config.encoder
    stages = {name: own.model for name, own in chat.stages.items() if own.model}
    facts: dict[str, Any] = {
        "mcu": __version__,
        "seed": config.run.seed,
        "chat": {"backend": chat.backend, "model": public(chat.model)},
        "image": config.image.backend,
        "encoder": encoder.backend if encoder.backend == "caption" else encoder.model,
    }
    if stages:
        facts["chat"]["stages"] = {name: public(str(model)) for name, model in stages.items()}
    return json.dumps(facts, ensure_ascii=False)


def _total(run: "Run") -> int:
    """Episodes of the run, before any is left out."""
    from mcu.stages import STAGES

    [events] = [stage for stage in STAGES if stage.name == "events"]
    marks = [run.store.mark(Unit(events, shard)) or {} for shard in range(run.config.shards)]
    return sum(mark.get("records", 0) for mark in marks)


def _mark(run: "Run") -> Path:
    return run.root / "release.done.json"


def _fingerprint(run: "Run") -> str:
    settings = run.config.rows("run", "release")
    made_by, signer = provenance(run.config), run.config.release.certificate
    return digest([_VERSION, made_by, texts_digest(), settings, signer, sums_of(run)])


__all__ = ["build", "is_current", "sync"]
