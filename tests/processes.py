"""The worker processes of a search, by asking the kernel."""

from __future__ import annotations

from pathlib import Path


def workers_of(pid: int) -> list[int]:
    """Return the workers of process ``pid``, by their index; they are called so in the process list."""
    named, parents = [], {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if name.startswith("atml-worker-"):
            named.append((int(name.removeprefix("atml-worker-")), int(folder.name)))
    # The fork server stands between them.
    return [child for _, child in sorted(named) if pid in (parents[child], parents.get(parents[child]))]
