"""Stages 2 and 8 whole, on tiny random diffusion models: drawn, killed, resumed, released."""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from contextlib import closing
from pathlib import Path

import pytest
import tomli_w
from PIL import Image

from helpers import environment, rejects, tree
from mcu import marks
from mcu.records import Face, Picture
from mcu.run import Run

MCU = (sys.executable, str(Path(__file__).parent / "mcu_tiny.py"))
ONE_THREAD = environment(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
RUN = ("run", "--config", "mcu.toml", "--episodes", "5", "--set", "run.sessions=[1, 2]")


def mcu(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run mcu to its end."""
    command = [*MCU, *arguments]
    return subprocess.run(
        command, cwd=cwd, env=ONE_THREAD, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_sdxl: Path) -> Path:
    """A folder with an mcu.toml that draws on tiny models."""
    import tiny_photomaker as photomaker
    import torch
    from safetensors.torch import save_file

    from mcu.backends.diffusers.base import open_sdxl

    made = tmp_path_factory.mktemp("drawn")
    unet = open_sdxl(str(tiny_sdxl), torch.float32).unet
    light = made / "sdxl_lightning_2step_unet.safetensors"
    save_file({name: 1.05 * value for name, value in unet.state_dict().items()}, light)
    encoder = photomaker.id_encoder(photomaker.TINY)
    face = photomaker.write(made / "photomaker-v1.bin", encoder, photomaker.lora(unet))
    base = str(tiny_sdxl)
    image = {
        "backend": "diffusers",
        "size": 64,
        "face": {"base": base, "weights": str(light)},
        "persona": {"base": base, "weights": str(face), "steps": 5},
        "scene": {"base": base, "steps": 2},
    }
    # Noise has no faces: these checks are tried on photographs, elsewhere.
    checks = {"faces": "off", "pictures": "nudenet"}
    (made / "mcu.toml").write_text(tomli_w.dumps({"image": image, "checks": checks}))
    return made


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """The root of a run that nobody disturbed."""
    began = time.perf_counter()
    ended = mcu(*RUN, "--name", "whole", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert time.perf_counter() - began < 60
    return folder / "outputs" / "whole"


def test_every_slot_has_its_picture_by_its_route(whole: Path) -> None:
    run = Run.open(whole)
    routes = {"p-t2i": "photomaker-v1.bin", "t2i": "", "face": "sdxl_lightning_2step_unet"}
    seen = set()
    pictures = list(run.records(Picture))
    assert pictures and not rejects(whole)
    for picture in pictures:
        if picture.source not in routes:
            continue
        seen.add(picture.source)
        data = run.store.image(picture.image)
        facts = marks.read(data)
        assert facts["source"] == "trainedAlgorithmicMedia"
        assert facts["seed"] == str(picture.seed) and routes[picture.source] in facts["model"]
        assert Image.open(io.BytesIO(data)).size == (64, 64)
    for face in run.records(Face):
        seen.add("face")
        assert routes["face"] in marks.read(run.store.image(face.image))["model"]
    assert seen == set(routes)


def test_no_path_of_this_machine_is_published(whole: Path, folder: Path) -> None:
    for path in (whole / "release").rglob("*"):
        if path.is_file():
            assert str(folder).encode() not in path.read_bytes(), path


def test_the_card_names_the_models_and_their_licences(whole: Path) -> None:
    card = (whole / "release" / "stark-image" / "README.md").read_text()
    unknown = "not known; use not known"
    face = "pictures (face, lightning) | sdxl_lightning_2step_unet.safetensors"
    assert f"| {face} | {unknown} |" in card
    assert f"| pictures (persona, photomaker) | photomaker-v1.bin | {unknown} |" in card


def test_pictures_of_one_persona_are_drawn_from_their_face(whole: Path) -> None:
    """The journal's request of each holds the hash of the portrait that stage 2 made."""
    faces = {face.image for face in Run.open(whole).records(Face)}
    found = set()
    for path in (whole / "journal").glob("s8_align-*.sqlite"):
        with closing(sqlite3.connect(path)) as journal:
            rows = journal.execute("SELECT request FROM answers WHERE kind = 'image'").fetchall()
        asked = [json.loads(zlib.decompress(row[0])) for row in rows]
        found |= {face for one in asked if one["kind"] == "p-t2i" for face in one["faces"]}
    assert found and found <= faces


def test_the_checks_are_in_the_journal_and_a_resume_draws_nothing(whole: Path) -> None:
    before = tree(whole)
    (whole / "s8_align" / "00000.done.json").unlink()
    began = time.perf_counter()
    ended = mcu("resume", "whole", cwd=whole.parent.parent)
    assert ended.returncode == 0, ended.stderr
    after = tree(whole)
    changed = {name for name in after if before.get(name) != after[name]}
    changed = {name for name in changed if not name.startswith("journal/")}
    assert changed <= {"log.jsonl", "run.json", "s8_align/00000.done.json"}, "times alone differ"
    assert time.perf_counter() - began < 30


@pytest.mark.slow
def test_killed_while_it_draws(whole: Path, folder: Path) -> None:
    """Finished pictures are kept, none is half written, and the end is the same bytes."""
    root = folder / "outputs" / "killed"
    kept: set[str] = set()
    kills = 0
    for count in (1, 6, 12):
        command = [*MCU, *RUN, "--name", "killed"]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=ONE_THREAD,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and len(pictures_in(root)) < count:
            time.sleep(0.005)
        if process.poll() is None:
            kills += 1
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        now = pictures_in(root)
        assert kept <= now, "what was finished is kept"
        for name in now:
            Image.open(root / "images" / name[:2] / name).load()
        kept = now
    assert kills >= 2
    ended = mcu(*RUN, "--name", "killed", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert tree(root / "images") == tree(whole / "images")
    assert tree(root / "release") == tree(whole / "release")


def pictures_in(root: Path) -> set[str]:
    return {path.name for path in root.glob("images/*/[0-9a-f]*.jpg")}


def test_weights_that_are_not_there_are_told_before_any_work(folder: Path) -> None:
    wrong = ("--set", "image.persona.weights=/nowhere/photomaker-v1.bin")
    ended = mcu(*RUN, "--name", "wrong", *wrong, cwd=folder)
    assert ended.returncode == 2
    assert "there is no file or folder '/nowhere/photomaker-v1.bin'" in ended.stderr
    assert "Traceback" not in ended.stderr
