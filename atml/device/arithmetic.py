"""The functions of a program in float32, rounded operation by operation as the C does it; numpy.

No ``libm``: one processor's ``expf`` differs from another's in the last bit, and an ECG decision must not.
"""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32
from atml.errors import ConfigError

F = np.float32

LOG2E = F(1.44269504)
LN2_HIGH = F(0.693359375)
LN2_LOW = F(-2.12194440e-4)
LOWEST, HIGHEST = F(-87.0), F(88.0)
"""Beyond these exp is taken for its value there."""
SERIES = tuple(F(1 / d) for d in (720, 120, 24, 6, 2))
"""Coefficients of exp's Taylor series, the highest power first; the last two are 1."""
SLOPE = F(0.1)
"""Slope of "leaky_relu" below 0."""


def exp(x: Float32) -> Float32:
    """Return e to the power of ``x``, to within 4e-7 of it.

    Example:
        >>> float(exp(np.array([1.0], np.float32))[0])
        2.7182817459106445
    """
    x = np.minimum(np.maximum(x, LOWEST), HIGHEST)
    whole = (x * LOG2E + np.where(x < 0, F(-0.5), F(0.5)).astype(F)).astype(np.int32)
    n = whole.astype(F)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    y = np.full_like(r, SERIES[0])
    for coefficient in (*SERIES[1:], F(1), F(1)):
        y = y * r + coefficient
    return np.asarray(y * ((whole + 127) << 23).view(F), F)


def sigmoid(x: Float32) -> Float32:
    """Return ``1 / (1 + exp(-x))``."""
    return np.asarray(F(1) / (F(1) + exp(-x)), F)


def tanh(x: Float32) -> Float32:
    """Return ``2 * sigmoid(2 * x) - 1``, to within 2e-7."""
    return np.asarray(F(2) * sigmoid(x + x) - F(1), F)


def root(x: Float32) -> Float32:
    """Return the square root, rounded as IEEE 754 says; of subnormals, which the C takes for 0, it is 0.

    Example:
        >>> root(np.array([2.0, 1e-40], np.float32)).tolist()
        [1.4142135381698608, 0.0]
    """
    return np.asarray(np.where(x < np.finfo(F).tiny, F(0), np.sqrt(x)), F)


def log(x: Float32) -> Float32:
    """Return the natural logarithm of numbers above 0 that are no subnormals, to within 2e-7."""
    bits = x.view(np.int32)
    e = (bits >> 23) - 127
    m = ((bits & 0x7FFFFF) | 0x3F800000).view(F)
    large = m > F(1.41421354)
    m = np.where(large, m * F(0.5), m).astype(F)
    e = (e + large).astype(F)
    s = (m - F(1)) / (m + F(1))
    q = s * s
    y = np.full_like(q, F(1 / 9))
    for coefficient in (F(1 / 7), F(1 / 5), F(1 / 3), F(1)):
        y = y * q + coefficient
    return np.asarray(e * LN2_HIGH + (F(2) * s * y + e * LN2_LOW), F)


def activate(x: Float32, kind: str) -> Float32:
    """Apply an activation of `atml.models.blocks.ACTIVATION`, or "none".

    Raises:
        ConfigError: another name.
    """
    if kind == "none":
        return x
    if kind == "relu":
        return np.where(x > 0, x, F(0)).astype(F)
    if kind == "leaky_relu":
        return np.where(x > 0, x, x * SLOPE).astype(F)
    if kind == "elu":
        return np.where(x > 0, x, exp(x) - F(1)).astype(F)
    if kind == "silu":
        return np.asarray(x * sigmoid(x), F)
    if kind == "hardswish":
        return np.asarray(x * np.minimum(np.maximum(x * F(1 / 6) + F(0.5), F(0)), F(1)), F)
    if kind == "tanh":
        return tanh(x)
    raise ConfigError(f"activation {kind!r} has no form on a device")


def added(x: Float32, axis: int = -1) -> Float32:
    """Add up along an axis one by one, from the first on; numpy's own sum pairs them."""
    return np.asarray(np.take(np.add.accumulate(x, axis=axis, dtype=F), -1, axis=axis), F)
