"""C2PA manifests: signed as pictures are published, read back, and broken by any change."""

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import authority
import c2pa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from PIL import Image

import mcu
from helpers import mcu as program
from helpers import tree
from mcu.backends import Origin
from mcu.cli.look import show
from mcu.config import load_config
from mcu.errors import BackendError, ConfigError
from mcu.ids import sha256
from mcu.marks import read, sealed
from mcu.pictures import encode
from mcu.records import Face
from mcu.release import is_current
from mcu.release.images import ImageSet
from mcu.release.sign import Signer, open_signer, verify
from mcu.store import Store

DRAWN = sealed(Image.effect_noise((64, 64), 60), Origin("lab/sdxl", 7, "trainedAlgorithmicMedia"))
FOUND = encode(Image.effect_noise((64, 64), 60))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    paths = authority.files(tmp_path_factory.mktemp("pem"))
    return Signer(paths.certificate, paths.key)


def test_the_manifest_says_what_the_marks_say(signer: Signer) -> None:
    signed = signer.sign(DRAWN)
    with c2pa.Reader("image/jpeg", io.BytesIO(signed)) as reader:
        manifest: Any = reader.get_active_manifest()
        assert reader.is_embedded()
    assert manifest["claim_generator_info"][0]["name"] == "mcu"
    assert manifest["claim_generator_info"][0]["version"] == mcu.__version__
    (actions,) = manifest["assertions"]
    assert actions["created"], "the signer's own statement"
    assert actions["data"]["actions"] == [
        {
            "action": "c2pa.created",
            "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/"
            "trainedAlgorithmicMedia",
            "softwareAgent": {"name": "lab/sdxl"},
            "parameters": {"mcu.model": "lab/sdxl", "mcu.seed": "7"},
        }
    ]
    assert "time" not in manifest["signature_info"], "no timestamp authority was asked"
    assert verify(signed) == {
        "state": "valid",
        "signer": "Signer, Example Lab",
        "problems": ["signingCredential.untrusted"],
    }


def test_the_picture_itself_stays(signer: Signer) -> None:
    signed = signer.sign(DRAWN)
    assert read(signed) == read(DRAWN)
    before, after = Image.open(io.BytesIO(DRAWN)), Image.open(io.BytesIO(signed))
    assert before.tobytes() == after.tobytes()
    assert signer.sign(DRAWN) != signed, "why a signature has no place in a run's folder"


def test_pictures_that_were_found_are_not_signed(signer: Signer) -> None:
    assert signer.sign(FOUND) == FOUND
    assert verify(FOUND) == verify(DRAWN) == {"state": "none"}


@pytest.mark.parametrize("where", ["pixel", "marks"])
def test_any_change_breaks_it(where: str, signer: Signer) -> None:
    signed = bytearray(signer.sign(DRAWN))
    at = signed.index(b"mcu:Seed>7") + 9 if where == "marks" else len(signed) - 40
    signed[at] ^= 1
    found = verify(bytes(signed))
    assert found["state"] == "invalid"
    assert "assertion.dataHash.mismatch" in found["problems"]


def test_torn_manifests_are_invalid(signer: Signer) -> None:
    signed = signer.sign(DRAWN)
    for length in range(2, 3000, 97):
        assert verify(signed[:length])["state"] in ("invalid", "none")
    assert verify(b"\xff\xd8 nothing of the kind")["state"] == "invalid"


@pytest.mark.parametrize(
    ("key", "old"),
    [
        (ec.generate_private_key(ec.SECP256R1()), True),
        (ec.generate_private_key(ec.SECP384R1()), False),
        (ec.generate_private_key(ec.SECP521R1()), False),
        (rsa.generate_private_key(65537, 2048), True),
        (ed25519.Ed25519PrivateKey.generate(), False),
    ],
    ids=["P-256 in its older form", "P-384", "P-521", "RSA in its older form", "Ed25519"],
)
def test_kinds_of_keys(key: Any, old: bool, tmp_path: Path) -> None:
    paths = authority.files(
        tmp_path,
        authority.certificate(key) + authority.certificate(authority=True),
        authority.private(key, old=old),
    )
    assert verify(Signer(paths.certificate, paths.key).sign(DRAWN))["state"] == "valid"


@pytest.mark.parametrize("use", ["1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.36"])
def test_certificates_of_c2pa_and_for_documents(use: str, tmp_path: Path) -> None:
    paths = authority.files(tmp_path, authority.certificate(usage=ObjectIdentifier(use)))
    assert verify(Signer(paths.certificate, paths.key).sign(DRAWN))["state"] == "valid"


OTHER = ec.generate_private_key(ec.SECP256R1())
BAD = {
    "of another key": (None, authority.private(OTHER), "does not match"),
    "expired": (authority.certificate(days=(-9, -1)), None, "not valid at time"),
    "not yet valid": (authority.certificate(days=(5, 9)), None, "not valid at time"),
    "an authority's own": (
        authority.certificate(authority=True),
        authority.private(authority.ROOT),
        "self-signed",
    ),
    "for servers": (
        authority.certificate(usage=ExtendedKeyUsageOID.SERVER_AUTH),
        None,
        "certificate is invalid",
    ),
    "of a weak curve": (
        authority.certificate(ec.generate_private_key(ec.SECP224R1())),
        None,
        "a kind that C2PA lacks",
    ),
    "no certificate": (b"nonsense", None, "no PEM chain"),
    "no key": (None, b"sesame", "no private key"),
    "a locked key": (None, authority.private(passphrase=b"sesame"), "no private key"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_sign(case: str, tmp_path: Path) -> None:
    chain, key, reason = BAD[case]
    paths = authority.files(tmp_path, chain, key)
    with pytest.raises(ConfigError, match=reason) as caught:
        Signer(paths.certificate, paths.key)
    assert "release." in str(caught.value)
    assert "sesame" not in str(caught.value)
    context = caught.value.__context__
    assert context is None or caught.value.__suppress_context__, "no traceback tells more"


@pytest.mark.parametrize("gone", ["certificate", "key"])
def test_files_that_are_not_there(gone: str, tmp_path: Path) -> None:
    paths = authority.files(tmp_path)
    getattr(paths, gone).unlink()
    with pytest.raises(ConfigError, match=rf"release\.{gone} .* cannot be read: No such file"):
        Signer(paths.certificate, paths.key)


def test_the_settings_need_each_other() -> None:
    assert open_signer(load_config().release) is None
    for name in ("certificate", "key"):
        with pytest.raises(ConfigError, match="release"):
            load_config(flags=[f"release.{name}=x.pem"])
    both = load_config(flags=["release.certificate=c.pem", "release.key=k.pem"])
    assert both.rows("release") == load_config().rows("release"), "they change no row"


@pytest.mark.parametrize("package", ["c2pa", "cryptography"])
def test_a_missing_package_is_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = authority.files(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError, match=r"pip install 'mcu\[c2pa\]'"):
        Signer(paths.certificate, paths.key)


def members(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            found |= {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    return found


def test_a_set_signs_what_was_drawn(signer: Signer, tmp_path: Path) -> None:
    store = Store(tmp_path)
    drawn, found = store.add_image(DRAWN), store.add_image(FOUND)
    images = ImageSet(tmp_path / "set", store, 9, signer)
    images.add("drawn", drawn, {"image_sha256": drawn})
    images.add("found", found, {"image_sha256": found})
    images.add("face", drawn, {"face_description": "a face"})
    assert images.close() == 3
    files = members(tmp_path / "set")
    states = {name: verify(files[f"{name}.jpg"])["state"] for name in ("drawn", "found", "face")}
    assert states == {"drawn": "valid", "found": "none", "face": "valid"}
    for name in ("drawn", "found"):
        told = json.loads(files[f"{name}.json"])
        assert told == {"image_sha256": sha256(files[f"{name}.jpg"])}, "of the file beside it"
    assert json.loads(files["face.json"]) == {"face_description": "a face"}
    assert store.image(drawn) == DRAWN


def test_a_release_is_signed_when_that_is_asked_for(tmp_path: Path) -> None:
    settings = {"episodes": 5, "sessions": [4, 4], "turns": 4}
    made = mcu.make_run(tmp_path / "r", run=settings)
    made.execute((1, 7))
    for face in made.records(Face):
        made.store.image_path(face.image).write_bytes(DRAWN)
    made.execute()
    kept = {name: sha for name, sha in tree(made.root).items() if name.startswith(("s", "images"))}
    faces = made.root / "release" / "stark-face-image"
    assert is_current(made)
    assert {verify(v)["state"] for k, v in members(faces).items() if k.endswith("g")} == {"none"}
    paths = authority.files(tmp_path)
    signing = mcu.make_run(tmp_path / "r", run=settings, release=paths.settings)
    assert not is_current(signing)
    signing.execute()
    assert is_current(signing)
    assert {verify(v)["state"] for k, v in members(faces).items() if k.endswith("g")} == {"valid"}
    assert kept.items() <= tree(made.root).items(), "what the run keeps is never signed"
    secret = paths.key.read_text().splitlines()[1].encode()
    assert not [p for p in made.root.rglob("*") if p.is_file() and secret in p.read_bytes()]


def test_a_release_that_cannot_be_signed_is_not_made(tmp_path: Path) -> None:
    paths = authority.files(tmp_path, key=b"nonsense")
    run = {"episodes": 5, "sessions": [4, 4], "turns": 4}
    made = mcu.make_run(tmp_path / "r", run=run, release=paths.settings)
    with pytest.raises(ConfigError, match="no private key"):
        made.execute()
    assert not (made.root / "release").exists()


def test_a_picture_is_shown(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(signer.sign(DRAWN))
    (told,) = json.loads(program("show", "--picture", "a.jpg", "--json", cwd=tmp_path).stdout)
    assert told["marks"] == read(DRAWN)
    assert (told["manifest"]["state"], told["manifest"]["signer"]) == (
        "valid",
        "Signer, Example Lab",
    )
    text = program("show", "--picture", "a.jpg", cwd=tmp_path).stdout
    assert "trainedAlgorithmicMedia" in text
    assert '"state": "valid"' in text


def test_a_plain_picture_is_shown(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(FOUND)
    done = program("show", "--picture", "b.jpg", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["manifest", '{"state":', '"none"}'])
    assert "no marks" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": "a"},
        {"stage": "face"},
        {"name": "a", "picture": Path("b.jpg")},
        {"name": "a", "stage": "face", "picture": Path("b.jpg")},
    ],
)
def test_either_records_or_a_picture(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a run and a stage, or --picture"):
        show(**given)


@pytest.mark.parametrize(
    ("name", "words"), [("nosuch", "No such file"), (".", "directory"), ("text", "no JPEG file")]
)
def test_files_that_cannot_be_shown(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with pytest.raises(ConfigError, match=words):
        show(picture=tmp_path / name)


def test_a_mistake_of_usage(tmp_path: Path) -> None:
    done = program("show", cwd=tmp_path)
    assert (done.returncode, done.stderr.split(" takes")[0]) == (2, "mcu: error: show")
