"""What all groups of keys have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Keys(BaseModel):
    """A group of keys: read-only, and a key that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=False)


def mistake(path: tuple[str | int, ...], expected: str) -> PydanticCustomError:
    """Build the error of a rule over several keys, laid at the door of one of them.

    Parameters
    ----------
    path
        The key to mend, seen from the model that raises.
    expected
        What is expected there.
    """
    return PydanticCustomError("mistake", "{expected}", {"expected": expected, "path": path})
