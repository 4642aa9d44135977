"""What every section of the configuration is."""

from pydantic import BaseModel, ConfigDict, Field

# Settings that never change a row: they are left out of fingerprints and may differ on resume.
TRANSPORT = Field(json_schema_extra={"transport": True})


class Section(BaseModel):
    """A part of the configuration; keys that nobody reads are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
