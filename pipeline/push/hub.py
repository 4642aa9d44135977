"""The Hub as a push needs it: list, create, commit, each with patience."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mcu.errors import BackendError, ConfigError, McuError
from mcu.push.plan import File
from mcu.push.trouble import trouble

T = TypeVar("T")
Tell = Callable[[str], None]

_FIRST_WAIT = 1.0  # seconds, doubled from wait to wait
_LONGEST_WAIT = 60.0
_THREADS = 5


@dataclass(frozen=True)
class Held:
    """A file as the Hub has it: its size, its git blob, and its SHA-256 if it is a large one."""

    size: int
    blob: str
    sha256: str


@dataclass(frozen=True)
class Sight:
    """A repository that exists: who may read it, and its last commit."""

    private: bool
    revision: str


class Hub:
    """A client of the Hub with a token.

    What a failing connection, 429 or 5xx broke is tried again, with growing waits or those that the
    Hub asks for, until nothing has gone through for `patience` seconds.
    """

    def __init__(self, patience: float, tell: Tell) -> None:
        from huggingface_hub import HfApi

        self._token = _token()
        self._api = HfApi(token=self._token, library_name="mcu")
        self._patience = patience
        self._tell = tell
        self.endpoint: str = self._api.endpoint

    def whoami(self) -> str:
        """The token's owner.

        Raises:
            ConfigError: the Hub does not know the token, or it may only read.
        """
        facts = self._patiently(self.endpoint, self._api.whoami, patience=min(20, self._patience))
        role = facts.get("auth", {}).get("accessToken", {}).get("role", "")
        if role == "read":
            raise ConfigError(
                "the token may only read; make one with write access in the Hub's settings"
            )
        return str(facts.get("name", ""))

    def look(self, repo: str) -> Sight | None:
        """Whether a data set exists, and who may read it."""
        from huggingface_hub.errors import RepositoryNotFoundError

        def look() -> Sight | None:
            try:
                facts = self._api.dataset_info(repo)
            except RepositoryNotFoundError:
                return None
            return Sight(bool(facts.private), facts.sha or "")

        return self._patiently(repo, look)

    def create(self, repo: str, private: bool) -> None:
        """Make a data set unless it is there."""
        self._patiently(
            repo,
            lambda: self._api.create_repo(
                repo, repo_type="dataset", private=private, exist_ok=True
            ),
        )

    def show(self, repo: str) -> None:
        """Let everybody read a data set."""
        self._patiently(
            repo,
            lambda: self._api.update_repo_settings(repo, private=False, repo_type="dataset"),
        )

    def validate(self, repo: str, card: Path) -> None:
        """Ask whether the Hub takes a card, for else it would refuse it after all the data.

        Raises:
            ConfigError: it does not, such as for a licence that it does not know.
        """
        from huggingface_hub.utils import (  # type: ignore[attr-defined]
            build_hf_headers,
            get_session,
            hf_raise_for_status,
        )

        def validate() -> None:
            answer = get_session().post(
                f"{self.endpoint}/api/validate-yaml",
                json={"content": card.read_text(encoding="utf-8"), "repoType": "dataset"},
                headers=build_hf_headers(token=self._token, library_name="mcu"),
            )
            if answer.status_code == 400:
                said = [str(one.get("message")) for one in answer.json().get("errors", [])]
                raise ConfigError(f"the Hub refuses the card of {repo}: {'; '.join(said)}")
            hf_raise_for_status(answer)

        self._patiently(repo, validate)

    def tree(self, repo: str) -> dict[str, Held]:
        """All files of a data set but `.gitattributes`, which the Hub writes itself."""
        from huggingface_hub.hf_api import RepoFile

        def tree() -> dict[str, Held]:
            entries = self._api.list_repo_tree(repo, recursive=True, repo_type="dataset")
            return {
                one.path: Held(one.size, one.blob_id, one.lfs.sha256 if one.lfs else "")
                for one in entries
                if isinstance(one, RepoFile) and one.path != ".gitattributes"
            }

        return self._patiently(repo, tree)

    def commit(self, repo: str, title: str, files: dict[File, str]) -> None:
        """Send files, each with its SHA-256, in one commit.

        What the Hub has already, stored or committed by an earlier try, is not sent again.
        """
        from huggingface_hub import CommitOperationAdd

        def commit() -> None:
            operations = []
            for file, sha256 in files.items():
                operation = CommitOperationAdd(file.path, file.local)
                # Known already, so the client need not read the file once more.
                operation.upload_info.sha256 = bytes.fromhex(sha256)
                operations.append(operation)
            with warnings.catch_warnings(action="ignore"):  # remarks on the card
                self._api.create_commit(
                    repo,
                    operations,
                    commit_message=title,
                    repo_type="dataset",
                    num_threads=_THREADS,
                )

        self._patiently(repo, commit)

    def remove(self, repo: str, title: str, paths: set[str]) -> None:
        """Remove files, as far as they are still there, in one commit."""
        from huggingface_hub import CommitOperationDelete

        def remove() -> None:
            # Looked up at each try: the answer to one that worked may have been lost.
            gone = [CommitOperationDelete(path) for path in self.tree(repo) if path in paths]
            if gone:
                self._api.create_commit(repo, gone, commit_message=title, repo_type="dataset")

        self._patiently(repo, remove)

    def _patiently(self, repo: str, call: Callable[[], T], patience: float | None = None) -> T:
        wait, began = _FIRST_WAIT, time.monotonic()
        patience = self._patience if patience is None else patience
        while True:
            try:
                return call()
            except Exception as error:
                if isinstance(error, McuError | TypeError | AttributeError | AssertionError):
                    raise
                seen = trouble(error, self.endpoint, repo)
                if seen.error is not None:
                    raise seen.error from error
                pause = max(seen.after, wait)
                if time.monotonic() - began + pause > patience:
                    raise BackendError(
                        f"{seen.text}, and it did not get better in {patience:.0f} s; "
                        f"the same command goes on where this one stopped"
                    ) from error
                self._tell(f"{seen.text}; trying again in {pause:.0f} s")
                time.sleep(pause)
                wait = min(_LONGEST_WAIT, wait * 2)


def _token() -> str:
    """The token of `HF_TOKEN` or of `hf auth login`.

    Raises:
        ConfigError: there is none, or it cannot be one.
    """
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise ConfigError("there is no token for the Hub; set HF_TOKEN, or run `hf auth login`")
    # Checked here, for the client's own error would show it.
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigError("the token of HF_TOKEN or `hf auth login` holds signs that no token has")
    return token
