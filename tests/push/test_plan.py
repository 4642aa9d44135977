"""What goes where, what may go at all, and what a failure means."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import errors
from hypothesis import given
from hypothesis import strategies as st
from releases import write_release

from mcu.errors import ConfigError, Incomplete, McuError
from mcu.push import admit, prepare
from mcu.push.plan import File, batches, human, plan, repository
from mcu.push.trouble import trouble
from mcu.run import Run

HUB = "https://hub.example"


@dataclass(frozen=True)
class Said:
    state: str
    failed: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "repo", ["x", "ada/", "/x", "a b/x", "ada/x--y", "ada/../y", "ada/" + "x" * 96, "ada/x/y"]
)
def test_names_that_the_hub_would_refuse(repo: str) -> None:
    with pytest.raises(ConfigError, match="--repo"):
        repository(repo, "stark-image")


def test_names_of_repositories() -> None:
    assert repository("ada/my.stark_1", "stark-face-image") == "ada/my.stark_1-face-image"
    assert repository("ada/x", "ultron") == "ada/x-ultron"


def test_pictures_come_first_and_cards_last(tmp_path: Path) -> None:
    sets = ("stark-image-url", "stark-coref", "stark-image")
    release = write_release(tmp_path, {f"{name}/a.tar": 10 for name in sets})
    found = plan("r", release, "ada/x", [], public=True)
    names = [part.name for part in found.parts]
    assert names == ["stark-image", "stark-image-url", "stark-coref", "stark-dialogue"]
    commits = found.commits
    assert [batch[0].path == "README.md" for _, batch in commits] == [False] * 4 + [True] * 4
    assert found.bytes == sum(
        path.stat().st_size for name in names for path in (release / name).iterdir()
    )
    assert json.loads(json.dumps(found.json()))["private"] is False
    one = plan("r", release, "ada/x", ["coref", "stark-coref"], public=False)
    assert [part.name for part in one.parts] == ["stark-coref"]
    with pytest.raises(ConfigError, match="the release has stark-coref, stark-dialogue"):
        plan("r", release, "ada/x", ["checks"], public=False)


@given(st.lists(st.integers(0, 7_000_000_000) | st.integers(0, 10_000_000), max_size=400))
def test_commits_hold_every_file_once_and_stay_small(sizes: list[int]) -> None:
    files = [File(str(n), Path(str(n)), size) for n, size in enumerate(sizes)]
    cut = list(batches(files))
    assert [file for batch in cut for file in batch] == files
    for batch in cut:
        assert len(batch) <= 100
        assert len(batch) == 1 or sum(file.size for file in batch) <= 5_000_000_000
        assert sum(file.size for file in batch if file.size <= 10_000_000) <= 64_000_000


def test_sizes_for_people() -> None:
    said = [human(size) for size in (0, 999, 1000, 600_000_000, 2.5e12, 7e16)]
    assert said == ["0 B", "999 B", "1.0 kB", "600.0 MB", "2.5 TB", "70000.0 TB"]


def test_only_what_passed_its_check_may_go(tmp_path: Path) -> None:
    write_release(tmp_path, {})
    run = Run.open(tmp_path / "r")
    with pytest.raises(ConfigError, match="run 'r' has no current release; `mcu resume r`"):
        prepare(run, "ada/x")
    with pytest.raises(ConfigError, match=r"run 'r' was not checked; run `mcu check r`"):
        admit(run, judge=lambda _: Said("missing"))
    with pytest.raises(ConfigError, match=r"was changed after its check"):
        admit(run, ["pii"], judge=lambda _: Said("stale", ("pii",)))
    failed = Said("failed", ("pii", "time"))
    with pytest.raises(Incomplete, match=r"fails pii; .* --allow pii$"):
        admit(run, ["time", "words"], judge=lambda _: failed)
    admit(run, ["time", "pii"], judge=lambda _: failed)
    admit(run, judge=lambda _: Said("passed"))


def _answer(status: int, url: str, said: str = "", **headers: str) -> errors.HfHubHTTPError:
    """An error as the client raises it, with the HTTP library that it stands on."""
    library: Any = sys.modules[errors.Response.__module__.partition(".")[0]]
    request = library.Request("PUT", url)
    response = library.Response(status, headers=headers, request=request)
    return errors.HfHubHTTPError(said, response=response, server_message=said)


def _wrapped(error: Exception) -> Exception:
    """As the client's threads raise it."""
    outer = RuntimeError("Error while uploading 'a.tar' to the Hub.")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    "error",
    [
        _answer(403, "https://storage.example/a?X-Signature=secret", "Request has expired"),
        _answer(400, "https://storage.example/a?X-Signature=secret", "RequestTimeout"),
        _answer(409, f"{HUB}/api", "A commit has happened since"),
        json.JSONDecodeError("Expecting value", "<html>", 0),
        ConnectionError("Network error: timed out"),
        RuntimeError("task was cancelled at https://storage.example/a?X-Signature=secret"),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    for one in (error, _wrapped(error)):
        seen = trouble(one, HUB, "ada/x")
        assert seen.error is None and seen.text and "secret" not in seen.text


def test_the_hub_says_how_long_to_wait() -> None:
    for said, after in (("7", 7.0), ("99999", 3600.0), ("-1", 0.0), ("tomorrow", 0.0)):
        error = _answer(429, f"{HUB}/api", **{"Retry-After": said})
        assert trouble(error, HUB, "ada/x").after == after


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (_answer(403, f"{HUB}/api", "Forbidden"), McuError, "may not write to ada/x"),
        (_answer(403, f"{HUB}/api", "storage limit reached"), McuError, "has no room for ada/x"),
        (_answer(401, f"{HUB}/api"), ConfigError, "does not accept the token"),
        (_answer(404, f"{HUB}/api"), McuError, "has no data set ada/x"),
        (_answer(422, f"{HUB}/api", "odd name"), McuError, "with 422: odd name"),
        (ValueError("LFS batch API returned errors: quota"), McuError, "has no room"),
        (ValueError("Malformed response"), McuError, "refuses the files of ada/x"),
        (FileNotFoundError(2, "gone", "a.tar"), McuError, "a.tar cannot be read"),
    ],
)
def test_what_no_second_try_would_mend(
    error: Exception, kind: type[McuError], message: str
) -> None:
    for one in (error, _wrapped(error)):
        seen = trouble(one, HUB, "ada/x")
        assert isinstance(seen.error, kind) and message in str(seen.error)
