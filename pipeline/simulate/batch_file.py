"""The input file of a batch: its lines, and what is wrong with them."""

import json
from dataclasses import dataclass
from typing import Any

from mcu.simulate.ask import Ask
from mcu.simulate.desk import Desk
from mcu.simulate.wire import Refused

ENDPOINT = "/v1/chat/completions"
MOST_LINES = 50_000
MOST_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """A request of a batch, or why it will be refused."""

    custom_id: str
    ask: Ask | Refused


class Wrong(Exception):
    """Something for which a whole batch fails; `error` is as the API tells it."""

    def __init__(
        self, code: str, message: str, line: int | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "param": param, "line": line}


def read_lines(data: bytes, desk: Desk) -> tuple[list[Line], list[dict[str, Any]]]:
    """All lines of an input file that can be read, and the errors for which the batch fails."""
    found: dict[str, Line] = {}
    errors: list[dict[str, Any]] = []
    models: set[str] = set()
    if len(data) > MOST_BYTES:
        return [], [Wrong("file_too_large", f"The file is larger than {MOST_BYTES} bytes.").error]
    for number, text in enumerate(data.splitlines(), 1):
        if number > MOST_LINES:
            reason = f"The file holds more than {MOST_LINES} requests."
            return [], [Wrong("too_many_tasks", reason).error]
        try:
            line = _read(number, text, desk)
            _fit(number, line, found, models)
            found[line.custom_id] = line
        except Wrong as error:
            errors.append(error.error)
    if not (found or errors):
        errors.append(Wrong("empty_file", "The file holds no request.").error)
    return list(found.values()), errors


def _read(number: int, text: bytes, desk: Desk) -> Line:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "This line is not parseable as valid JSON."
        raise Wrong("invalid_json_line", reason, number) from error
    for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
        if not (isinstance(row, dict) and isinstance(row.get(name), kind)):
            reason = f"Missing required parameter: '{name}'."
            raise Wrong("missing_required_parameter", reason, number, name)
    if (row["method"], row["url"]) != ("POST", ENDPOINT):
        reason = "The URL provided for this request does not match the batch endpoint."
        raise Wrong("url_mismatch", reason, number, "url")
    try:
        return Line(row["custom_id"], desk.read(row["body"]))
    except Refused as error:
        if error.status == 404:
            raise Wrong("model_not_found", str(error), number, "body.model") from error
        return Line(row["custom_id"], error)


def _fit(number: int, line: Line, found: dict[str, Line], models: set[str]) -> None:
    """Raise Wrong for a line that does not go with those before it."""
    if line.custom_id in found:
        reason = "The custom_id for this request is a duplicate of another request."
        raise Wrong("duplicate_custom_id", reason, number, "custom_id")
    if isinstance(line.ask, Ask):
        models.add(line.ask.model)
    if len(models) > 1:
        reason = "All requests of a batch must have the same model."
        raise Wrong("model_mismatch", reason, number, "body.model")
