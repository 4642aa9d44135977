"""C2PA: synthetic pictures are signed as they are published, and signatures are read back."""

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from mcu import __version__, marks
from mcu.backends import Origin
from mcu.errors import BackendError, ConfigError
from mcu.sections import ReleaseSection

# What a certificate may be for: e-mail, documents, and C2PA's own claim signing, which the library
# does not know by itself.
_USES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1")
# Nothing leaves the machine: no timestamps, no remote manifests, no questions to an authority.
_SETTINGS = {
    "trust": {"trust_config": "\n".join(_USES)},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
_CURVES = {256: "es256", 384: "es384", 521: "es512"}


class Signer:
    """Signs pictures with one certificate.

    It works on what is released, never on what the run keeps: a signature has a random part, so
    that a signed picture is another one every time, and a run's folder is the same for a seed.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load both and sign a picture for trial.

        Args:
            certificate: PEM; the signer's certificate, then those up to the authority.
            key: PEM; its private key without a passphrase.

        Raises:
            ConfigError: a file cannot be read, or the library refuses what is in it.
            BackendError: the extra `c2pa` is not installed.
        """
        self._c2pa = _library()
        chain, algorithm = _chain(certificate)
        secret = _key(key)
        trial = marks.sealed(Image.new("RGB", (8, 8)), Origin("none", 0, "algorithmicMedia"))
        try:
            info = self._c2pa.C2paSignerInfo(algorithm, chain, secret, None)
            signer = self._c2pa.Signer.from_info(info)
            self._context = self._c2pa.Context.from_dict(_SETTINGS, signer=signer)
            self.sign(trial)
        except self._c2pa.C2paError as error:
            reason = " ".join(str(error).split()).removeprefix("Signature: ")
            raise ConfigError(
                f"release.certificate {str(certificate)!r} with its release.key cannot sign: "
                f"{reason}; docs/release.md says what a certificate must be like"
            ) from None

    def sign(self, jpeg: bytes) -> bytes:
        """The picture with a manifest that says what its marks say.

        A picture without marks was found and not made; it stays as it is.
        """
        facts = marks.read(jpeg)
        if "source" not in facts:
            return jpeg
        signed = io.BytesIO()
        with self._c2pa.Builder.from_json(_manifest(facts), context=self._context) as builder:
            builder.sign("image/jpeg", io.BytesIO(jpeg), signed)
        return signed.getvalue()


def open_signer(settings: ReleaseSection) -> Signer | None:
    """The signer that `release.certificate` and `release.key` ask for, if they do."""
    if not settings.certificate:
        return None
    return Signer(Path(settings.certificate), Path(settings.key))


def verify(jpeg: bytes) -> dict[str, Any]:
    """What is to be said of a JPEG's manifest.

    `state` is `none`, `invalid`, `valid` (the picture is as it was signed) or `trusted` (its signer
    is known too, which takes a list of authorities that mcu does not bring). Then `signer`, and
    `problems`: the codes of the C2PA specification, or the reason why nothing could be read.

    Raises:
        BackendError: the extra `c2pa` is not installed.
    """
    c2pa = _library()
    try:
        with c2pa.Context.from_dict(_SETTINGS) as context:
            reader = c2pa.Reader.try_create("image/jpeg", io.BytesIO(jpeg), None, context)
            if reader is None:
                return {"state": "none"}
            with reader:
                state = str(reader.get_validation_state()).lower()
                found = json.loads(reader.json())
    except (c2pa.C2paError, ValueError) as error:
        return {"state": "invalid", "signer": "", "problems": [str(error)]}
    manifest = found.get("manifests", {}).get(found.get("active_manifest"), {})
    signature = manifest.get("signature_info") or {}
    names = (signature.get("common_name"), signature.get("issuer"))
    return {
        "state": state,
        "signer": ", ".join(str(name) for name in names if name),
        "problems": [str(status.get("code")) for status in found.get("validation_status") or ()],
    }


def _manifest(facts: dict[str, str]) -> dict[str, Any]:
    created = {
        "action": "c2pa.created",
        "digitalSourceType": marks.SOURCES + facts["source"],
        "softwareAgent": {"name": facts.get("model", "mcu")},
        "parameters": {f"mcu.{name}": facts.get(name, "") for name in ("model", "seed")},
    }
    return {
        "claim_generator_info": [{"name": "mcu", "version": __version__}],
        "format": "image/jpeg",
        "assertions": [
            # `created`: the signer's own statement, not one that was handed on to it.
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}, "created": True}
        ],
    }


def _chain(path: Path) -> tuple[bytes, str]:
    """The certificates as PEM, and the algorithm that goes with the first one's key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    data = _bytes(path, "release.certificate")
    try:
        public = x509.load_pem_x509_certificates(data)[0].public_key()
    except ValueError as error:
        raise ConfigError(f"release.certificate {str(path)!r} is no PEM chain: {error}") from None
    if isinstance(public, ec.EllipticCurvePublicKey) and public.key_size in _CURVES:
        return data, _CURVES[public.key_size]
    if isinstance(public, ed25519.Ed25519PublicKey):
        return data, "ed25519"
    if isinstance(public, rsa.RSAPublicKey):
        return data, "ps256"
    raise ConfigError(f"release.certificate {str(path)!r} has a key of a kind that C2PA lacks")


def _key(path: Path) -> bytes:
    """The private key as PKCS #8, in which the library wants it."""
    from cryptography.hazmat.primitives import serialization as form

    data = _bytes(path, "release.key")
    try:
        key = form.load_pem_private_key(data, password=None)
    except (ValueError, TypeError):  # its words could repeat what is in the file
        raise ConfigError(
            f"release.key {str(path)!r} is no private key in PEM without a passphrase"
        ) from None
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


def _bytes(path: Path, setting: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"{setting} {str(path)!r} cannot be read: {error.strerror}") from None


def _library() -> Any:
    try:
        import c2pa
        import cryptography  # noqa: F401
    except (ImportError, RuntimeError) as error:  # the latter: no library for this machine
        raise BackendError(f"C2PA cannot be used ({error}): pip install 'mcu[c2pa]'") from error
    return c2pa
