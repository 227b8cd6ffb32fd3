"""A program as C99: one file that needs no heap, no ``libm`` and no library but three functions on memory."""

from __future__ import annotations

from atml.device.c.writer import HEADER, SOURCE, write

__all__ = ["HEADER", "SOURCE", "write"]
