"""What the Hub's refusals and failures mean: a sentence for the user, or a reason to try again."""

import re
from dataclasses import dataclass
from json import JSONDecodeError

from mcu.errors import BackendError, ConfigError, McuError

_FULL = re.compile(r"storage|quota|\bplan\b|billing|payment|space left", re.IGNORECASE)
# How the Xet library tells what the Hub answers when asked for leave to write.
_XET = re.compile(r"error \((40[134])\b[^)]*\).*xet-write-token", re.DOTALL)
_AGAIN = (408, 409, 412, 423, 425, 429)
_LONGEST = 3600.0  # seconds of Retry-After that are believed


@dataclass(frozen=True)
class Trouble:
    """A failure as it is told; `after` seconds the Hub asks to wait.

    Attributes:
        error: what ends the push; None if trying again may help.
    """

    text: str
    after: float = 0.0
    error: McuError | None = None


def trouble(error: Exception, endpoint: str, repo: str) -> Trouble:
    """Judge an exception of the Hub's client.

    The client wraps errors of its threads, so that the chain of causes is searched for an answer's
    status. No text of the client's is passed on, for it has addresses with signatures.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    for one in _chain(error):
        if isinstance(one, OfflineModeIsEnabled):
            return _final(ConfigError("HF_HUB_OFFLINE is set; unset it to push"))
        if isinstance(one, HfHubHTTPError):
            return _answer(one, endpoint, repo)
    for one in _chain(error):
        if status := _XET.search(str(one)):
            return _xet(int(status[1]), endpoint, repo)
        if isinstance(one, HFValidationError):
            return _final(ConfigError(f"the Hub takes no repository named {repo}"))
        # Not an answer that is no JSON, such as a proxy's page: that may pass.
        if isinstance(one, ValueError) and not isinstance(one, JSONDecodeError):
            if _FULL.search(str(one)):
                return _final(_no_room(repo, str(one)))
            return _final(BackendError(f"{endpoint} refuses the files of {repo}: {_brief(one)}"))
        if type(one).__name__ == "XetAuthenticationError":
            return _final(_no_right(repo))
        if isinstance(one, FileNotFoundError | PermissionError | IsADirectoryError):
            return _final(BackendError(f"{one.filename} cannot be read; was the release rebuilt?"))
    if _is_network(error):
        return Trouble(f"no connection to {endpoint}")
    return Trouble(f"the upload to {repo} failed ({_brief(error)})")


def _answer(error: Exception, endpoint: str, repo: str) -> Trouble:
    """Judge an answer that is an error."""
    response = error.response  # type: ignore[attr-defined]
    status: int = response.status_code
    said = str(getattr(error, "server_message", "") or "")
    if status >= 400 and not str(response.request.url).startswith(endpoint):
        # The storage behind the Hub: its addresses run out, and each try gets new ones.
        return Trouble(f"the Hub's storage answers {status}", _after(response.headers))
    if status in (402, 413, 507) or (status == 403 and _FULL.search(said)):
        return _final(_no_room(repo, said or f"status {status}"))
    if status == 401:
        return _final(
            ConfigError(
                f"{endpoint} does not accept the token; check HF_TOKEN, or run `hf auth login`"
            )
        )
    if status == 403:
        return _final(_no_right(repo))
    if status == 404:
        return _final(
            BackendError(f"{endpoint} has no data set {repo}, or the token may not see it")
        )
    if status in _AGAIN or status >= 500:
        return Trouble(f"{endpoint} answers {status}", _after(response.headers))
    return _final(BackendError(f"{endpoint} refuses {repo} with {status}: {_brief(said)}"))


def _xet(status: int, endpoint: str, repo: str) -> Trouble:
    if status == 404:
        why = f"{endpoint} has no Xet storage for {repo}; set HF_HUB_DISABLE_XET=1"
        return _final(ConfigError(why))
    return _final(_no_right(repo))


def _no_room(repo: str, reason: str) -> McuError:
    owner = repo.partition("/")[0]
    return BackendError(
        f"the Hub has no room for {repo} ({_brief(reason)}); free or buy storage for {owner}"
    )


def _no_right(repo: str) -> McuError:
    owner = repo.partition("/")[0]
    return BackendError(
        f"the token may not write to {repo}; give it write access to {owner}, or another --repo"
    )


def _final(error: McuError) -> Trouble:
    return Trouble(str(error), error=error)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _is_network(error: Exception) -> bool:
    """Whether it is an error of transport, of whichever HTTP library the client stands on."""
    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    return bool(names & {"TransportError", "ConnectionError", "TimeoutError", "TimeoutException"})


def _after(headers: "dict[str, str]") -> float:
    try:
        return min(max(float(headers.get("Retry-After", 0)), 0.0), _LONGEST)
    except ValueError:
        return 0.0


def _brief(text: object) -> str:
    """The first words of a message, without addresses."""
    words = re.sub(r"\w+://\S+", "(address)", " ".join(str(text).split()))
    return words[:200].rstrip(". ")
