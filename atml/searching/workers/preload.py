"""What every worker process needs, imported once, in Python's fork server; nothing else imports this module.

A worker forked from it starts in some hundredths of a second instead of seconds, and workers share the memory
of the libraries. Nothing here computes: before a fork no thread may be started and no CUDA device touched.
"""

from __future__ import annotations

import signal

# A terminal's Ctrl-C and a batch system's SIGTERM reach the whole group. The fork server ignores them, and
# ends with the process that started it, as its workers do. This comes first, since the libraries take seconds
# to load.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)

# The first optimizer of a process loads this: 800 modules in a second, loaded once and shared this way.
import torch._dynamo  # noqa: E402, F401

# What a worker trains with; the parent's side, storage and export, stays out.
from atml import task_files  # noqa: E402, F401
from atml.models import weights  # noqa: E402, F401
from atml.training import agreement, cross_validation, fingerprint, loop  # noqa: E402, F401
