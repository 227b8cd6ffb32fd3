"""docs/notebook.ipynb from its first cell to its last, and a cell that is interrupted, in real kernels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.library.conftest import REPO, environment

NOTEBOOK = REPO / "docs" / "notebook.ipynb"

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read("notebook.ipynb", 4)
(settings,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
settings.source += "\\nTRIALS = 2\\nDATA = 'data.npz'"
try:
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, "done.ipynb")
"""

CELL = """
import atml
result = atml.search(
    "afib", "data.npz", trials={trials}, folds=2, finalists=1, repeats=1, workers=1, study="s"
)
len(result.exports)
"""

INTERRUPT = """
import json, queue, sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
try:
    for code in json.load(open("cells.json")):
        asked, interrupted = client.execute(code), False
        while True:
            message = client.get_iopub_msg(timeout=200)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            print(json.dumps([kind, content.get("text") or content.get("ename") or content.get("data")]))
            if "/500  trial" in content.get("text", "") and not interrupted:
                interrupted = True
                manager.interrupt_kernel()
            if kind == "status" and content["execution_state"] == "idle":
                break
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


def run(where: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=where,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_the_notebook_runs_from_data_to_a_scored_model(tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="no nbclient; pip install 'atml[test]'")
    tiny.folder(tmp_path / "work", steps=150)
    shutil.copy(NOTEBOOK, tmp_path / "work" / "notebook.ipynb")
    done = run(tmp_path / "work", EXECUTE)
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((tmp_path / "work" / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    said = ["".join(text(output) for output in cell.get("outputs", ())) for cell in cells]
    assert any("2/2  trial" in one for one in said)
    assert any("rule iesd2024 on data" in one and "\nfirst " in one for one in said)
    assert any("Finalist(trial=" in one for one in said), "the task of one's own came to nothing"
    shown = [kind for cell in cells for output in cell.get("outputs", ()) for kind in output.get("data", ())]
    assert "application/vnd.plotly.v1+json" in shown


def text(output: dict[str, Any]) -> str:
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_a_cell_that_is_interrupted_goes_on_when_it_runs_again(tmp_path: Path) -> None:
    pytest.importorskip("ipykernel", reason="no ipykernel; pip install 'atml[test]'")
    tiny.folder(tmp_path / "work")
    cells = [CELL.format(trials=500), CELL.format(trials=3)]
    (tmp_path / "work" / "cells.json").write_text(json.dumps(cells))
    done = run(tmp_path / "work", INTERRUPT)
    assert done.returncode == 0, done.stderr[-3000:]
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [kind for kind, _ in messages]
    assert [what for kind, what in messages if kind == "error"] == ["Interrupted"]
    # Where things stand is one line, rewritten.
    assert "display_data" in kinds and "update_display_data" in kinds
    shown = [what["text/plain"] for kind, what in messages if kind.endswith("display_data")]
    assert any(line.startswith("searching") or " of " in line for line in shown) and shown[-1] == ""
    assert [what["text/plain"] for kind, what in messages if kind == "execute_result"] == ["1"]
