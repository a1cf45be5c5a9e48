"""Reads model files that a coverage-guided fuzzer makes (``pip install atheris``).

    python -m benchmarks.fuzz_models_by_coverage CORPUS -atheris_runs=100000 -max_len=65536

The folder CORPUS is filled with the golden models if it is empty. The first byte of an input tells
whether checksums are rewritten, so that more than the checksums is reached.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["deltarule.files", "deltarule.training.model"]):
    from benchmarks.model_mutations import check, subjects
    from deltarule.files import reading_errors

from benchmarks.fuzz_models import GOLDEN
from benchmarks.model_mutations import archive_bytes, files_of, with_checksums


def main() -> None:
    """Hand over to the fuzzer."""
    reading_errors.reraise_unexpected = True
    network = subjects(GOLDEN)[0]
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        data = archive_bytes(network.files)
        (corpus / "as-it-is").write_bytes(b"\0" + data)
        (corpus / "rewritten").write_bytes(b"\1" + data)
    folder = Path(tempfile.mkdtemp())
    path, again = folder / "m.deltarule", folder / "again.deltarule"

    def one(data: bytes) -> None:
        path.write_bytes(data[1:])
        if data[:1] == b"\1":
            try:
                path.write_bytes(archive_bytes(with_checksums(files_of(path))))
            except Exception:  # noqa: BLE001  what is no archive is read as it is
                path.write_bytes(data[1:])
        check(network, path, again)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
