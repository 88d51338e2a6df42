"""Tables of energies per action as files: their checksums, what they are of, and their keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from characterize.actions import ActionTable
from characterize.lineage import lasting
from characterize.process import StepError
from rtl_gen.atomic import write_text
from rtl_gen.errors import InputError
from rtl_gen.source import code_digest


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a table is of.

    Attributes:
        measurement: key of the measurement on whose netlist it was taken.
        code: digest of the code that took it (``actions_code``).
    """

    measurement: str
    code: str

    @property
    def key(self) -> str:
        """Address of the table."""
        return hashlib.sha256(f"{self.measurement} {self.code}".encode()).hexdigest()


def origin_of(measurement: str) -> Origin:
    """Of a table that today's code takes of a measurement."""
    return Origin(measurement=measurement, code=actions_code())


def actions_code() -> str:
    """Digest of the code that takes tables, or of the oldest known to give the same."""
    return lasting(raw_actions_code())


def raw_actions_code() -> str:
    """Digest of the code that takes tables, whatever it is known to give."""
    here = Path(__file__).parent
    names = ("action_counts", "actions", "directed", "movement")
    return code_digest(*(here / f"{name}.py" for name in names))


def save_table(path: Path, table: ActionTable, origin: Origin | None = None) -> None:
    """Write a table as JSON with its checksum, whole or not at all.

    Raises:
        InputError: if it cannot be written.
    """
    payload = table.to_dict()
    record = {"checksum": _checksum(payload), "actions": payload}
    if origin is not None:
        record["of"] = asdict(origin)
    write_text(path, json.dumps(record, indent=1, sort_keys=True) + "\n")


def load_table(path: Path) -> ActionTable:
    """The table in a file.

    Raises:
        InputError: if there is none, or it is damaged or was edited.
    """
    return load_record(path)[0]


def load_record(path: Path) -> tuple[ActionTable, Origin | None]:
    """The table in a file, and what it is of, if the file says that.

    Raises:
        InputError: as ``load_table``.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["checksum"] == _checksum(record["actions"]):
            origin = Origin(**record["of"]) if "of" in record else None
            return ActionTable.from_dict(record["actions"]), origin
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, StepError):
        raise InputError(f"{path}: is not a table of actions, or is cut off") from None
    raise InputError(f"{path}: its checksum is not that of its content")


def _checksum(payload: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
