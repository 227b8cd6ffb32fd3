"""What every worker process needs, imported once: workers are forked from a process that did.

Imported by Python's fork server and by nothing else. A worker is then there in some hundredths of a second
where a new interpreter takes seconds, and the pages of the libraries are shared, not held by each.
Nothing here computes: no thread is started and no CUDA device is touched before the fork.
"""

from __future__ import annotations

import signal

# A terminal's Ctrl-C and a batch system's SIGTERM reach the whole group. The fork server ends with the
# process that started it, and its workers with it: before that they are to be let finish. First of all, for
# the libraries take seconds to load.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)

# The first optimizer of a process loads this: a second of work, and 800 modules that are shared this way.
import torch._dynamo  # noqa: E402, F401
