"""Recordings that are files of their own: those below a directory, and those a pattern matches."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import PurePath

from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests.kinds import holds_many, is_recording, manifest_file
from gigaam.bulk.manifests.manifest import (
    Manifest,
    is_hidden,
    listing_digest,
    place_of,
    readable,
    suffixes_of,
)
from gigaam.bulk.places import Found, files_at, is_address, joined
from gigaam.errors import ArgumentError

__all__ = ["Directory", "Pattern", "Recording", "is_pattern"]


class Directory(Manifest):
    """All recordings below a directory, by their extensions; hidden ones are left out."""

    knows_files = True

    def __init__(self, location: str) -> None:
        self._folder = place_of(location)
        super().__init__(location, self._folder)

    def entries(self) -> Iterator[Entry]:
        """Its recordings, named by their paths below it."""
        for name, found in self._recordings():
            place = joined(self._folder, name)
            yield Entry(id=name, path=name, location=place, n_bytes=found.n_bytes)

    def stamp(self) -> str:
        """A digest of the names, sizes and times of its recordings."""
        return listing_digest(self._recordings())

    def _recordings(self) -> Iterator[tuple[str, Found]]:
        files = files_at(self._folder)
        prefix = files.listed_as(self._folder).rstrip("/" + os.sep)
        other, has_any = "", False
        with readable(self.called):
            for found in files.below(self._folder):
                name = found.path[len(prefix) :].replace(os.sep, "/").lstrip("/")
                if is_hidden(name):
                    continue
                if is_recording(name):
                    has_any = True
                    yield name, found
                elif not other and holds_many(name):
                    other = name
        if not has_any:
            raise self._nothing(other)

    def _nothing(self, other: str) -> ArgumentError:
        told = f"there are no recordings in {self.called}"
        if not other:
            return ArgumentError(told)
        example = joined(self.called, "**/" * ("/" in other) + "*" + "".join(suffixes_of(other)))
        return ArgumentError(f"{told}, but {other}: for such files give a pattern, as '{example}'")


class Pattern(Manifest):
    """The files that a pattern matches: recordings, and manifests, one after the other."""

    knows_files = True

    def __init__(self, location: str) -> None:
        super().__init__(location, "" if is_address(location) else os.getcwd())

    def entries(self) -> Iterator[Entry]:
        """The recordings, and what the manifests list, in order of the files' names."""
        for found in self._files():
            if is_recording(found.path) or (part := manifest_file(found.path)) is None:
                path = found.path
                yield Entry(id=path, path=path, location=place_of(path), n_bytes=found.n_bytes)
            else:
                yield from part.entries()

    def stamp(self) -> str:
        """A digest of the names, sizes and times of the files."""
        return listing_digest((found.path, found) for found in self._files())

    def _files(self) -> list[Found]:
        with readable(self.called):
            files = files_at(self.called).matching(self.called)
        if not is_hidden(self.called.partition("://")[2] or self.called):
            files = [each for each in files if not is_hidden(each.path.partition("://")[2])]
        if not files:
            raise ArgumentError(f"no file matches {self.called}")
        for found in files:
            self._refuse_strays(found.path)
        return files

    def _refuse_strays(self, path: str) -> None:
        """What is no recording and no manifest has to be meant by its extension."""
        meant = PurePath(self.called).suffix.lower()
        if not (is_recording(path) or holds_many(path) or PurePath(path).suffix.lower() == meant):
            raise ArgumentError(
                f"{path} is neither a recording nor a manifest by its extension: make the pattern "
                f"{self.called} narrower, or let it end in the extension that is meant"
            )


class Recording(Pattern):
    """One recording that is named itself."""

    def _files(self) -> list[Found]:
        with readable(self.called):
            found = files_at(self.called).look(self.called)
        if found is None:
            raise ArgumentError(f"there is no recording {self.called}")
        return [found]


def is_pattern(location: str) -> bool:
    """Whether a location may be a pattern: with ``*``, ``?``, ``[…]`` or ``**``."""
    if location.startswith(("http://", "https://")):
        return "*" in location  # the other signs are parts of addresses
    if is_address(location):
        return glob.has_magic(location)
    return glob.has_magic(location) and not os.path.exists(location)
