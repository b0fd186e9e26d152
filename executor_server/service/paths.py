"""Which paths the files of a request may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor_server.errors import FieldViolation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from executor_server.settings import Settings


class PathRules:
    """Checks the paths of one request, each alone and all against each other."""

    def __init__(self, settings: Settings, taken: Mapping[str, str]) -> None:
        """``taken``: names that must stay free, and whose they are."""
        self._settings = settings
        self._taken = taken

    def check(self, paths: Sequence[str]) -> Iterator[FieldViolation]:
        """Every violation, in the order of the paths."""
        owners = dict(self._taken)
        folders = {folder: owner for name, owner in owners.items() for folder in _folders(name)}
        for index, path in enumerate(paths):
            field = f"files[{index}].path"
            wrong = self._shape(path) or _collision(path, owners, folders)
            if wrong is not None:
                yield FieldViolation(field, *wrong)
                continue
            owners[path] = f"files[{index}]"
            folders.update(dict.fromkeys(_folders(path), f"files[{index}]"))

    def _shape(self, path: str) -> tuple[str, str] | None:
        size, depth = len(path.encode()), path.count("/") + 1
        if not path:
            return "EMPTY", "is empty; expected a path relative to the working directory"
        if "\0" in path:
            return "NUL_BYTE", "has a NUL byte"
        if size > self._settings.path_bytes_max:
            most = self._settings.path_bytes_max
            return "TOO_LARGE", f"has {size} bytes; at most {most} are allowed"
        if depth > self._settings.path_depth_max:
            most = self._settings.path_depth_max
            return "TOO_DEEP", f"has {depth} components; at most {most} are allowed"
        if path.startswith("/"):
            return (
                "ABSOLUTE_PATH",
                f"{path!r} is absolute; expected one relative to the working directory",
            )
        if any(part in {"", ".", ".."} for part in path.split("/")):
            return "BAD_PATH", f"{path!r} has an empty, '.' or '..' component"
        return None


def _collision(
    path: str, owners: Mapping[str, str], folders: Mapping[str, str]
) -> tuple[str, str] | None:
    if path in owners:
        return "DUPLICATE_PATH", f"{path!r} is the name of {owners[path]} already"
    if path in folders:
        return "PATH_CONFLICT", f"{path!r} is a folder of {folders[path]} already"
    for folder in _folders(path):
        if folder in owners:
            return "PATH_CONFLICT", f"{folder!r} is a file of {owners[folder]}, not a folder"
    return None


def _folders(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
