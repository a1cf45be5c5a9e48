"""What is written of a model, before it is saved."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from deltarule.files import Bundle, Part, checked_path, save_bundle

__all__ = ["PreparedModel"]


@dataclasses.dataclass(frozen=True)
class PreparedModel:
    """The files of a model, whose bytes are computed once: for the fingerprint and for saving.

    Parameters
    ----------
    bundle : Bundle
    parts : mapping of folder name to Part
        Bundles within it, such as the recording of the training.
    """

    bundle: Bundle
    parts: Mapping[str, Part]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the files, as :meth:`TableModel.fingerprint` says."""
        return self.bundle.fingerprint()

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        extras: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write the files, as :meth:`TableModel.save`."""
        place = checked_path("folder", folder)
        save_bundle(place, self.bundle, overwrite=overwrite, parts=self.parts, extras=extras)
