"""Every error that mcu raises: one tree, each class with the exit code it ends the program with.

McuError (1)
├── ConfigError (2)    a setting, flag or file that the user can put right
├── StoreError (1)     the run folder cannot be read or written
├── BackendError (1)   an outside service refuses for good: key, model, quota
├── Incomplete (3)     the run stopped before its end on purpose: too many rejects
├── Fault              a reply broke a rule; its sentence is shown to the model
├── Reject             one record is given up; the run goes on
└── Gone               an ancestor was rejected, so there is nothing to make
"""


class McuError(Exception):
    """Base of all errors that carry a one-sentence message for the user."""

    exit_code = 1


class ConfigError(McuError):
    """A setting, flag or file is wrong; the message says which and what to do."""

    exit_code = 2


class StoreError(McuError):
    """The run folder cannot be read or written."""


class BackendError(McuError):
    """An outside service cannot ever serve the request, so that asking again is waste."""


class Incomplete(McuError):
    """The run stopped on purpose before its end; what is finished is kept."""

    exit_code = 3


class Fault(McuError):
    """A reply broke a rule. The message is one sentence that the model is shown."""


class Reject(McuError):
    """One record is given up.

    Attributes:
        code: short name of the kind of loss, counted in the status.
        raw: the text that could not be used.
    """

    def __init__(self, code: str, reason: str, raw: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.raw = raw


class Gone(McuError):
    """An ancestor or sibling of this record was rejected earlier."""
