"""The numbers of a program in integers as C, for ``layers_w8a8.c`` and ``pool_w8a8.c``."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from atml.arrays import Int64
from atml.device import memory
from atml.device.c.text import array, fields_of, identifier, number, sliding, table_of_layers, widened
from atml.device.program import Conv, Recurrent, width_before
from atml.device.quantised import ConvIntegers, NormIntegers, Quantised, RecurrentIntegers, sigmoid_table

FRAGMENTS = ("arithmetic.c", "layers_w8a8.c", "pool_w8a8.c", "flow.c", "mean.c", "input.c")

_FLOAT = {
    *("ACTIVATE", "RELU", "LEAKY_RELU", "ELU", "SILU", "HARDSWISH", "TANH_ACTIVATION"),
    *("TANH", "SIGMOID", "EXP", "W8"),
}


def needs(quantised: Quantised, of_float: Collection[str]) -> frozenset[str]:
    """Return the names that `fragment` asks for, from those of the same program in float32."""
    found = set(of_float) - _FLOAT | {"W8A8"}
    if any(isinstance(one, ConvIntegers | NormIntegers) and one.table.size for one in quantised.layers):
        found.add("TABLE")
    if found & {"CONVOLVES", "NORM"}:
        found.add("SETTLES")
    if found & {"TABLE", "NORM", "CELL"}:
        found.add("WITHIN")
    if "LSTM" in found:
        found.add("CELLS")
    if "POOL_ATTENTION" in found:
        found.add("EXP")
    return frozenset(found)


def weights(quantised: Quantised) -> str:
    """Return types, constants and arrays."""
    program = quantised.program
    defined = {
        "ZERO(layer)": "((layer)->zero)",
        "INPUT_RATE": number(np.float32(1 / quantised.input.scale)),
        "INPUT_ZERO": f"({quantised.input.zero})",
        "POOL_ZERO": f"({quantised.zero})",
    }
    cells = [layer for layer in program.layers if isinstance(layer, Recurrent)]
    if cells:
        defined["MOST_ROWS"] = str(max(rows_of(cell) for cell in cells))
    if quantised.score.size:
        defined |= {"SCORE_UNIT": number(quantised.score_scale), "SHARE_BITS": str(quantised.share_bits)}
    parts = ["typedef int8_t weight;\ntypedef int8_t value;\n"]
    parts.append("".join(f"#define {name} {value}\n" for name, value in defined.items()))
    for layer, numbers in zip(program.layers, quantised.layers, strict=True):
        name = identifier(layer.name)
        if isinstance(numbers, ConvIntegers):
            assert isinstance(layer, Conv)
            parts.append(array(f"{name}_weights", widened(layer, numbers.weight), "weight"))
        elif isinstance(numbers, RecurrentIntegers):
            assert isinstance(layer, Recurrent)
            parts.append(array(f"{name}_weights", filled(layer, numbers.weight), "weight"))
            parts.append(array(f"{name}_recurrent", filled(layer, in_fours(numbers.recurrent)), "weight"))
        parts.append(array(f"{name}_bias", numbers.bias, "int32_t"))
        parts.append(array(f"{name}_multiplier", numbers.multiplier, "int16_t"))
        if not isinstance(numbers, RecurrentIntegers) and numbers.table.size:
            parts.append(array(f"{name}_table", numbers.table, "int16_t"))
    if cells:
        parts.append(array("sigmoids", sigmoid_table(), "int16_t"))
    if quantised.score.size:
        parts.append(array("attention_score", quantised.score, "int16_t"))
    parts.append(array("head_weights", quantised.head, "weight"))
    parts.append(array("head_scale", quantised.head_scale))
    parts.append(array("head_bias", program.head.bias))
    return "\n".join(parts)


def rows_of(layer: Recurrent) -> int:
    """Return the rows of weights of one direction, four at a time."""
    return -(-layer.units * layer.gates // 4) * 4


def filled(layer: Recurrent, weight: Int64) -> Int64:
    """Return weights ``(ways, rows, inputs)`` with rows of zeros up to `rows_of`."""
    flat = weight.reshape(layer.ways, -1, weight.shape[-1])
    return np.pad(flat, ((0, 0), (0, rows_of(layer) - flat.shape[1]), (0, 0)))


def in_fours(weight: Int64) -> Int64:
    """Exchange the second and third of every whole group of four along the last axis.

    Bytes 0 and 2 of a word are then neighbours, as the two numbers of 16 bits that they are multiplied by.

    Example:
        >>> in_fours(np.arange(10)).tolist()
        [0, 2, 1, 3, 4, 6, 5, 7, 8, 9]
    """
    whole = weight.shape[-1] // 4 * 4
    fours = weight[..., :whole].reshape(*weight.shape[:-1], -1, 4)[..., [0, 2, 1, 3]]
    return np.concatenate([fours.reshape(*weight.shape[:-1], whole), weight[..., whole:]], -1)


_LAYER = """
enum { CONV, CONV_EACH, NORM, LSTM, GRU, LSTM_TWO_WAYS, GRU_TWO_WAYS, POOL };

/* One layer: rows of `in` channels come, rows of `out` channels go to the next. */
typedef struct {
    const weight *weights;
    const weight *recurrent; /* of a recurrent layer: weights of its state */
    const int32_t *bias;
    const int16_t *multiplier;
    const int16_t *table; /* an activation, or none */
    value *rows; /* those that came and are still needed */
    value *both; /* what the two directions put out */
    int16_t *state; /* of a recurrent layer */
    int32_t *cell; /* of an LSTM */
    float epsilon;
    uint16_t in, out, kernel, stride, pad, tail, units;
    int16_t multiplier_out, zero_out;
    int8_t zero; /* the 0 of rows that come */
    uint8_t kind, shift, shift_state, shift_out;
} layer;
"""


def layers(quantised: Quantised) -> str:
    """Return the table of layers and what lies in RAM."""
    program = quantised.program
    plan = memory.plan(program)
    parts, rows = [_LAYER], []
    states = cells = 0
    for place, (layer, numbers) in enumerate(zip(program.layers, quantised.layers, strict=True)):
        name = identifier(layer.name)
        parts.append(f"static value {name}_rows[{plan.rows[place]}];")
        fields = {
            "weights": f"{name}_weights",
            "bias": f"{name}_bias",
            "multiplier": f"{name}_multiplier",
            "rows": f"{name}_rows",
            "in": str(width_before(program, place)),
            "out": str(layer.outputs),
            "shift": str(numbers.shift),
            "zero_out": str(numbers.zero_out),
        }
        if isinstance(numbers, ConvIntegers):
            assert isinstance(layer, Conv)
            fields |= sliding(program, place, layer) | {"zero": str(numbers.zero)}
        elif isinstance(numbers, NormIntegers):
            del fields["weights"]
            fields |= {"kind": "NORM", "epsilon": number(numbers.epsilon)}
        else:
            assert isinstance(layer, Recurrent)
            fields["kind"] = layer.cell.upper() + ("_TWO_WAYS" if layer.ways == 2 else "")
            fields |= {
                "recurrent": f"{name}_recurrent",
                "units": str(layer.units),
                "shift_state": str(numbers.shift_state),
                "multiplier_out": str(numbers.multiplier_out),
                "shift_out": str(numbers.shift_out),
                "state": f"states + {states}",
            }
            states += layer.ways * layer.units
            if layer.cell == "lstm":
                fields["cell"] = f"cells + {cells}"
                cells += layer.ways * layer.units
            if layer.ways == 2:
                parts.append(f"static value {name}_both[{layer.steps * layer.outputs}];")
                fields["both"] = f"{name}_both"
        if not isinstance(numbers, RecurrentIntegers) and numbers.table.size:
            fields["table"] = f"{name}_table"
        rows.append(fields_of(fields))
    rows.append(fields_of({"rows": "pool_rows", "in": str(program.pool.width), "kind": "POOL"}))
    parts.append(f"static value pool_rows[{plan.rows[-1]}];")
    parts.append("static int32_t features[FEATURES];")
    if quantised.score.size:
        parts.append("static int32_t most, total; /* the largest score, the sum of all shares */")
    if states:
        parts.append(f"static int16_t states[{states}];")
    if cells:
        parts.append(f"static int32_t cells[{cells}];")
    return table_of_layers(program, parts, rows)
