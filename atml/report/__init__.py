"""The write-up of a study: one HTML file that a person reads from top to bottom.

::

    what a report is made of      page.py, theme.py
    all that is read of a study   material.py
    its parts, in order           sections/
    the file                      writing.py, static.py
"""

from __future__ import annotations

SECTIONS: tuple[str, ...] = ()
"""Modules in `atml.report.sections`, in the order of the page; each has ``section(material)``."""
