"""Run every notebook beside this file from top to bottom; any error ends it.

    python examples/run_notebooks.py

The files are left as they are: they are kept without outputs.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).parent


def main() -> int:
    """Run them; 1 if one failed, or there is none."""
    notebooks = sorted(HERE.glob("*.ipynb"))
    for path in notebooks:
        book = nbformat.read(path, as_version=4)
        kept = [cell for cell in book.cells if cell.get("outputs")]
        if kept:
            print(f"{path.name}: {len(kept)} cells hold outputs; clear them before committing")
            return 1
        try:
            # By sockets in a folder of their own: nothing listens on the network.
            with tempfile.TemporaryDirectory() as folder:
                sockets = str(Path(folder, "kernel"))
                manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=sockets)
                NotebookClient(book, km=manager, timeout=300).execute()
        except CellExecutionError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        shown = sum(bool(cell.get("outputs")) for cell in book.cells)
        print(f"{path.name}: {len(book.cells)} cells, {shown} with output")
    return 0 if notebooks else 1


if __name__ == "__main__":
    sys.exit(main())
