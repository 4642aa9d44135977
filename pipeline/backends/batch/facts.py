"""What a provider says of a batch, read with care: only its id and its status need be there."""

from dataclasses import dataclass
from typing import Any

OURS = "mcu_batch"  # the name of our own id in a batch's metadata
ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class Facts:
    """What the provider says of a batch.

    Attributes:
        ours: our own id; empty when the server does not keep it.
        input: id of the file with its requests.
        output: id of the file with its answers; empty when there is none.
        codes: of the errors for which it failed.
        reason: the first of those errors, for people.
    """

    id: str
    status: str
    ours: str = ""
    input: str = ""
    created: float = 0.0
    output: str = ""
    codes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def limited(self) -> bool:
        """Whether it failed because too much is waiting already, which passes."""
        return self.status == "failed" and "token_limit_exceeded" in self.codes


def facts_of(row: Any) -> Facts:
    """A batch object; only its id and its status need be there.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(row, dict):
        raise ValueError("not a batch")
    metadata, errors = row.get("metadata"), row.get("errors")
    listed = errors.get("data") if isinstance(errors, dict) else None
    wrong = [error for error in listed or () if isinstance(error, dict)]
    created = row.get("created_at")
    return Facts(
        id=text_of(row.get("id")),
        status=text_of(row.get("status")).lower(),
        ours=str(metadata.get(OURS, "")) if isinstance(metadata, dict) else "",
        input=str(row.get("input_file_id") or ""),
        created=float(created) if isinstance(created, int | float) else 0.0,
        output=str(row.get("output_file_id") or ""),
        codes=tuple(str(error.get("code")) for error in wrong),
        reason=str(wrong[0].get("message")) if wrong else "",
    )


def page_of(page: Any) -> tuple[list[Facts], bool]:
    """A page of a list of batches, and whether there are more.

    Raises:
        ValueError: it is none.
    """
    rows = page.get("data") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        raise ValueError("not a list of batches")
    return [facts_of(row) for row in rows], bool(page.get("has_more"))


def text_of(value: object) -> str:
    """Text that is there; raises ValueError for anything else."""
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value
