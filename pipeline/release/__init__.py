"""The release: Stark-format sets made from a finished run, whole or not at all."""

import json
import shutil
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mcu.errors import StoreError
from mcu.ids import digest, sha256
from mcu.release.cards import write_cards
from mcu.release.dialogue import DialogueFile
from mcu.release.episodes import Episode, episodes
from mcu.release.images import ImageSet
from mcu.release.sign import open_signer
from mcu.store import Unit, dump

if TYPE_CHECKING:
    from mcu.run import Run

_VERSION = 2


def is_current(run: "Run") -> bool:
    """Whether the release was made from the units as they are now."""
    try:
        made = json.loads((run.root / "release.done.json").read_bytes())
    except (OSError, ValueError):
        return False
    present: bool = made.get("fingerprint") == _fingerprint(run)
    return present and (run.root / "release").is_dir()


def build(run: "Run") -> int:
    """Write the four sets of a finished run and their cards; gives the number of episodes.

    The sets are written beside the old release, which they replace when they are complete. Equal
    units give equal bytes, but for signatures. A run that lost every episode gets no release.

    Raises:
        StoreError: the disk is full, or a unit's data were changed.
        ConfigError: pictures cannot be signed with `release.certificate` and `release.key`.
    """
    folder = run.root / ".release.tmp"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        counts = _write(run, folder)
        if not counts.get("episodes"):
            shutil.rmtree(folder)
            return 0
        final, old = run.root / "release", run.root / ".release.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        folder.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"the release cannot be written: {error.strerror or error}") from error
    mark = {"fingerprint": _fingerprint(run), **counts}
    run.store.write(run.root / "release.done.json", dump(mark, indent=1))
    return int(counts["episodes"])


def _write(run: "Run", folder: Any) -> dict[str, Any]:
    settings, store = run.config.release, run.store
    signer = open_signer(settings)
    counts: Counter[str] = Counter()
    dialogues = DialogueFile(folder / "stark-dialogue")
    images = ImageSet(folder / "stark-image", store, settings.images_per_tar, signer)
    faces = ImageSet(folder / "stark-face-image", store, settings.images_per_tar, signer)
    links = ImageSet(folder / "stark-image-url", None, settings.images_per_tar)
    for episode in episodes(run, counts):
        if settings.complete_only and not episode.complete:
            counts["left out for an empty image key"] += 1
            continue
        dialogues.add(episode.row(run.config.run.seed))
        counts["episodes"] += 1
        counts["sessions"] += len(episode.sessions)
        faces.add(episode.face.key, episode.face.image, episode.face_fields())
        for picture in episode.pictures:
            if picture.copy_allowed:
                images.add(picture.key, picture.image, Episode.image_fields(picture))
            else:
                seen = store.image(picture.image)
                links.add(picture.key, picture.image, Episode.link_fields(picture, seen))
    sets: dict[str, DialogueFile | ImageSet]
    sets = {"stark-dialogue": dialogues, "stark-image": images}
    sets |= {"stark-face-image": faces, "stark-image-url": links}
    for name, written in sets.items():
        counts[name] = written.close()
    write_cards(run, folder, counts)
    return dict(counts)


def _fingerprint(run: "Run") -> str:
    from mcu.stages import STAGES

    units = [Unit(stage, shard) for stage in STAGES for shard in range(run.config.shards)]
    marks = [(run.store.mark(unit) or {}).get("sha256") for unit in units]
    card = sha256((files("mcu.release") / "card.md").read_bytes())
    settings = run.config.rows("run", "release")
    return digest([_VERSION, card, settings, run.config.release.certificate, marks])


__all__ = ["build", "is_current"]
