"""Fetching from a hostile web: one URL in, one clean JPEG out, or the reason why not."""

import asyncio
import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ssl import SSLContext

from PIL import Image
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from yarl import URL

from mcu import __version__, pictures
from mcu.backends.web import address
from mcu.backends.web.politeness import LONGEST_DELAY, Politeness
from mcu.backends.web.wire import Answer, Passing, Terms, ask
from mcu.errors import BackendError, ConfigError, Reject
from mcu.sections import WebSection

MOST_BYTES = 20_000_000
_MOST_PAGE = 5_000_000  # bytes of a page of results
_MOST_ROBOTS = 512 * 1024  # RFC 9309 asks for 500 KiB at least
_MOST_REDIRECTS = 5
_LEAST_SIDE = 32  # px; what is smaller is a placeholder or a spy
_TRIES = 3  # for a page of results
_REDIRECTS = (301, 302, 303, 307, 308)
_BUSY = (429, 503)
_BLOCKED = (401, 403, 407, 429, 451)


class Fetcher:
    """Fetches pictures and pages of results; one for all threads, whose manners it keeps."""

    def __init__(
        self, section: WebSection, user_agent: str = "", tls: SSLContext | None = None
    ) -> None:
        """`tls` checks certificates, by the system's authorities unless given.

        Raises:
            ConfigError: the contact cannot be sent in a header.
        """
        self._section = section
        self._agent = user_agent or user_agent_of(section)
        self._manners = Politeness(section.rate)
        self._tls = tls

    def fetch(self, url: str) -> bytes:
        """The picture behind a URL as a plain JPEG, see `pictures.clean`.

        Raises:
            Reject: whatever is wrong with the URL, its host, the answer or the picture.
        """
        return self._checked(url)[1]

    def original(self, url: str) -> bytes:
        """The bytes behind a URL as they were found, of a picture that `fetch` gives.

        Raises:
            Reject: as `fetch`.
        """
        return self._checked(url)[0]

    def _checked(self, url: str) -> tuple[bytes, bytes]:
        found = self.download(url)
        data = pictures.clean(found)
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
        if min(width, height) < _LEAST_SIDE:
            raise Reject("bad_image", f"the picture has only {width}x{height} pixels")
        return found, data

    def download(self, url: str) -> bytes:
        """The bytes behind a URL as they are: at most 20 MB, of what nobody knows.

        robots.txt, headers that keep content from models and a host's wish to be asked later are
        respected; a busy host is asked once more.

        Raises:
            Reject: as `fetch`, but for the picture.
        """

        def get() -> Answer:
            answer = self._follow(address.check_url(url), self._terms(MOST_BYTES, polite=True))
            if answer.status != 200:
                raise _status(answer, "status")
            return answer

        return _patiently(get, 2, lambda failure: failure.busy).body

    def read(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """A service's page of results: no robots.txt, no way to another host, more patience.

        Raises:
            Reject: `blocked` by the service, `unreadable`, or it cannot be reached now.
            BackendError: the service does not take the key in the headers.
        """

        def get() -> Answer:
            terms = self._terms(_MOST_PAGE, headers)
            answer = self._follow(address.check_url(url), terms, service=True)
            if answer.status == 401 and headers:
                raise BackendError(f"{answer.url.raw_host} does not take web.api_key")
            if answer.status != 200:
                raise _status(answer, "blocked" if answer.status in _BLOCKED else "unreadable")
            return answer

        return _patiently(get, _TRIES, lambda failure: True).body

    def _terms(self, most: int, headers: Mapping[str, str] | None = None, **more: bool) -> Terms:
        return Terms(
            most=most,
            headers={"User-Agent": self._agent, **(headers or {})},
            seconds=self._section.timeout,
            own=self._section.allow_private,
            tls=self._tls,
            **more,
        )

    def _follow(self, url: URL, terms: Terms, service: bool = False) -> Answer:
        """The answer at the end of a URL's redirects.

        Time is counted over all of them, without that of waiting for a host's turn.

        Args:
            url: checked already.
            terms: of all requests together.
            service: whether another host is out of the question; it would get the key, too.
        """
        left, first = terms.seconds, url
        for _ in range(_MOST_REDIRECTS + 1):
            if terms.polite:
                self._manners.check(url, self._robots)
            self._manners.wait(url)
            began = time.monotonic()
            answer = asyncio.run(ask(url, replace(terms, seconds=max(left, 0.001))))
            left -= time.monotonic() - began
            if answer.status not in _REDIRECTS or not answer.header("location"):
                return answer
            url = _next(url, answer.header("location"))
            if service and url.raw_host != first.raw_host:
                raise Reject("blocked", f"{first.raw_host} sent us to {url.raw_host}")
        raise Reject("redirects", f"{first.raw_host} redirects more than {_MOST_REDIRECTS} times")

    def _robots(self, url: URL) -> bytes | Reject:
        """A robots.txt, as `Politeness.check` wants it."""
        try:
            answer = self._follow(url, self._terms(_MOST_ROBOTS, cut=True))
        except Passing as failure:
            return failure.loss
        except Reject as loss:
            return loss
        if answer.status == 200:
            return answer.body
        if 400 <= answer.status < 500 and answer.status != 429:
            return b""
        return Reject("robots", f"{url.raw_host} does not say now what may be fetched from it")


def fetch_url(url: str, section: WebSection) -> bytes:
    """`Fetcher.fetch`; all calls with the same settings share their manners."""
    return _fetcher(section).fetch(url)


@lru_cache(maxsize=4)
def _fetcher(section: WebSection) -> Fetcher:
    return Fetcher(section)


def user_agent_of(section: WebSection) -> str:
    """Who we are and whom to write to.

    Raises:
        ConfigError: the contact has signs that no header has.
    """
    contact = section.contact.strip()
    if not contact:
        return f"mcu/{__version__}"
    if not contact.isascii() or not contact.isprintable() or set(contact) & set("()"):
        raise ConfigError("web.contact must be an e-mail address or a URL, in plain ASCII")
    return f"mcu/{__version__} (+{contact})"


def _next(url: URL, location: str) -> URL:
    """Where a redirect leads to; never from https to http."""
    try:
        joined = url.join(URL(location))
    except ValueError as error:
        raise Reject("bad_url", f"{url.raw_host} redirects to what is no URL") from error
    target = address.check_url(joined)
    if url.scheme == "https" and target.scheme == "http":
        raise Reject("redirects", f"{url.raw_host} redirects from https to http")
    return target


def _status(answer: Answer, code: str) -> Exception:
    """A status other than 200 as an error."""
    loss = Reject(code, f"{answer.url.raw_host} answered with status {answer.status}")
    if answer.status in _BUSY:
        wait = _seconds(answer.header("retry-after"))
        return Passing(loss, busy=True, wait=wait) if wait <= LONGEST_DELAY else loss
    return Passing(loss) if answer.status >= 500 else loss


def _seconds(value: str) -> float:
    """A Retry-After in seconds."""
    if not value:
        return 1.0
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return math.inf


def _patiently(get: Callable[[], Answer], tries: int, again: Callable[[Passing], bool]) -> Answer:
    """Ask again after what may pass; the last failure is told as its Reject."""

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return error.wait * state.attempt_number if isinstance(error, Passing) else 0.0

    retrying = Retrying(
        stop=stop_after_attempt(tries),
        wait=wait,
        retry=retry_if_exception(lambda error: isinstance(error, Passing) and again(error)),
        reraise=True,
    )
    try:
        return retrying(get)
    except Passing as error:
        raise error.loss from None
