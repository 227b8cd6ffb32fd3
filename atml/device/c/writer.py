"""From a program to ``model.h`` and ``model.c``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atml.arrays import Float32
from atml.device import memory
from atml.device.c import beats, header, input_step, integers, stream
from atml.device.c.fragments import fragment
from atml.device.c.text import (
    array,
    check_sizes,
    fields_of,
    identifier,
    number,
    sliding,
    table_of_layers,
    widened,
)
from atml.device.program import NO_SCALE, W8, Conv, Layer, LayerNorm, Program, Recurrent, width_before
from atml.device.quantised import Quantised
from atml.models.blocks import EPSILON

HEADER, SOURCE = "model.h", "model.c"
FRAGMENTS = ("arithmetic.c", "layers.c", "flow.c", "mean.c", "input.c")


def write(
    program: Program | Quantised,
    *,
    sampling_rate: int,
    hop: int,
    classes: Sequence[str] = (),
    head: Sequence[str] = (),
    after: int | None = None,
) -> dict[str, str]:
    """Return the text of `HEADER` and `SOURCE` by name.

    Args:
        program: What is written, in float32, with weights of 8 bits, or in integers.
        sampling_rate: In Hz.
        hop: Samples between two decisions of ``atml_push``.
        classes: Names of the classes in order; none for their numbers.
        head: Lines that open both files as a comment.
        after: Samples of a window that come after its beat, which the stream then finds itself; None where
            windows adjoin.

    Raises:
        ConfigError: A hop below one sample, or beyond 31 bits.
        ExportError: A layer with a size beyond 16 bits; windows round beats that end before their beat is
            found, or a rate at which none is looked for.
    """
    needs = pieces(program)
    shape = program.program if isinstance(program, Quantised) else program
    check_sizes(shape)
    if isinstance(program, Quantised):
        own = [integers.weights(program), integers.layers(program)]
    else:
        own = [_weights(program), _layers(program)]
    fragments = integers.FRAGMENTS if isinstance(program, Quantised) else FRAGMENTS
    parts = [
        header.comment(head),
        f'#include "{HEADER}"\n\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n',
        _constants(shape, needs),
        *own,
        *(fragment(name, needs) for name in fragments),
        stream.constants(shape.input.samples, sampling_rate),
        *_stream(after, sampling_rate),
    ]
    return {
        HEADER: header.text(shape, sampling_rate, hop, classes, head, after),
        SOURCE: "\n".join(part.rstrip("\n") + "\n" for part in parts if part.strip()),
    }


def _stream(after: int | None, sampling_rate: int) -> list[str]:
    """Return what decides on a stream: every so many samples, or round the beats that it finds."""
    if after is None:
        return [fragment("stream.c", {"ADJOINING"})]
    beats.check(after, sampling_rate)
    shared = fragment("stream.c", {"AROUND_BEATS"})
    return [shared, beats.constants(after, sampling_rate), *(fragment(name, ()) for name in beats.FRAGMENTS)]


def pieces(program: Program | Quantised) -> frozenset[str]:
    """Return the names of what a program needs of ``runtime/``, as `fragment` asks for them."""
    if isinstance(program, Quantised):
        return integers.needs(program, pieces(program.program))
    layers, source, kind = program.layers, program.input, program.pool.kind
    needs = {layer.activation.upper() for layer in layers if not isinstance(layer, Recurrent)} - {"NONE"}
    if "TANH" in needs:
        needs = needs - {"TANH"} | {"TANH_ACTIVATION"}
    if needs:
        needs.add("ACTIVATE")
    for layer in layers:
        if isinstance(layer, Conv):
            needs |= {"CONVOLVES", "DEPTHWISE" if layer.depthwise else "CONV"}
        elif isinstance(layer, LayerNorm):
            needs |= {"NORM", "ROOT"}
        else:
            needs |= {"CELL", layer.cell.upper(), "TWO_WAYS" if layer.ways == 2 else "ONE_WAY"}
    needs.add(f"POOL_{kind.upper()}")
    if kind == "mean_max":
        needs |= {"POOL_MEAN", "POOL_MAX"}
    if kind != "attention":
        needs.add("POOL_LOOP")
    if needs & {"CONVOLVES", "NORM", "TWO_WAYS"}:
        needs.add("FINISHES")
    needs |= input_step.needs(source)
    if program.format == W8:
        needs.add("W8")
    if program.positive is not None:
        needs.add("TIE")
    if source.decimation > 1:
        needs.add("DECIMATES")
    if program.passes > 1:
        needs.add("PASSES")
    if needs & {"CELL", "TANH_ACTIVATION"}:
        needs.add("TANH")
    if needs & {"TANH", "SILU"}:
        needs.add("SIGMOID")
    if needs & {"SIGMOID", "ELU", "POOL_ATTENTION"}:
        needs.add("EXP")
    if needs & {"EXP", "ROOT", "LOG"}:
        needs.add("BITS")
    return frozenset(needs)


def _constants(program: Program, needs: frozenset[str]) -> str:
    source, pool = program.input, program.pool
    found: dict[str, str] = {
        "LAYERS": str(len(program.layers)),
        "INPUT_STEPS": str(source.steps),
        "PATCH": str(source.patch),
        "DECIMATION": str(source.decimation),
        "REACHED": str(source.samples),
        "SEEN": str(source.leads),
        "POOLED": str(pool.width),
        "FEATURES": str(pool.features),
        "STEPS": str(pool.steps),
    }
    if needs & {"ZSCORE", "MAXABS"}:
        found["EPSILON"] = number(EPSILON)
    if source.upright:
        found["CENTRE"] = "mean_of(x)" if source.kind == "none" else "mean[lead]"
    if pool.kind in ("max", "mean_max"):
        found["MAX_AT"] = str(pool.width if pool.kind == "mean_max" else 0)
    if pool.kind == "last":
        found["TURNED"] = str(pool.turned)
    if "CELL" in needs:
        found["STATES"] = "2" if "LSTM" in needs else "1"
    found |= input_step.constants(source)
    return "".join(f"#define {name} {value}\n" for name, value in found.items())


def stored(layer: Layer) -> tuple[Float32, Float32]:
    """Return weights and biases of a layer in the order that the C reads them."""
    if isinstance(layer, Conv):
        return widened(layer, layer.weight), layer.bias
    if isinstance(layer, LayerNorm):
        return np.zeros(0, np.float32), np.concatenate([layer.gain, layer.offset])
    both = np.concatenate([layer.weight, layer.recurrent], 3)  # (ways, units, gates, inputs + units)
    return both.transpose(0, 1, 3, 2), layer.bias


def _weights(program: Program) -> str:
    narrow = program.format == W8
    kind = "weight" if narrow else "float"
    weight = "signed char" if narrow else "float"
    parts = [f"typedef {weight} weight;\ntypedef float value;\n#define ZERO(layer) 0 /* as bytes */\n"]

    def add(name: str, weight: Float32, bias: Float32, scale: Float32) -> None:
        for part, values, of in (
            ("weights", weight, kind),
            ("bias", bias, "float"),
            ("scale", scale, "float"),
        ):
            if values.size:
                parts.append(array(f"{name}_{part}", values, of))

    for layer in program.layers:
        scale = NO_SCALE if isinstance(layer, LayerNorm) else layer.scale
        add(identifier(layer.name), *stored(layer), scale)
    if program.pool.score.size:
        parts.append(array("attention_score", program.pool.score))
    add("head", program.head.weight, program.head.bias, program.head.scale)
    return "\n".join(parts)


_LAYER = """
enum { CONV, CONV_EACH, NORM, LSTM, GRU, LSTM_TWO_WAYS, GRU_TWO_WAYS, POOL };
enum { NONE, RELU, LEAKY_RELU, ELU, SILU, HARDSWISH, TANH };

/* One layer: rows of `in` channels come, rows of `out` channels go to the next. */
typedef struct {
    const weight *weights;
    const float *bias;
    const float *scale; /* of weights of 8 bits, one a row */
    float *rows; /* those that came and are still needed */
    float *state; /* of a recurrent layer */
    float *both; /* what the two directions put out */
    float epsilon;
    uint16_t in, out, kernel, stride, pad, tail, units;
    uint8_t kind, activation;
} layer;
"""


def _layers(program: Program) -> str:
    plan = memory.plan(program)
    parts = [_LAYER]
    rows: list[str] = []
    at = 0
    for place, layer in enumerate(program.layers):
        name = identifier(layer.name)
        parts.append(f"static float {name}_rows[{plan.rows[place]}];")
        fields = {
            "weights": f"{name}_weights",
            "bias": f"{name}_bias",
            "rows": f"{name}_rows",
            "in": str(width_before(program, place)),
            "out": str(layer.outputs),
        }
        if isinstance(layer, Conv):
            fields |= sliding(program, place, layer)
        elif isinstance(layer, LayerNorm):
            del fields["weights"]
            fields |= {"kind": "NORM", "epsilon": number(layer.epsilon)}
        else:
            fields["kind"] = layer.cell.upper() + ("_TWO_WAYS" if layer.ways == 2 else "")
            fields |= {"units": str(layer.units), "state": f"states + {at}"}
            at += layer.ways * layer.units * plan.states
            if layer.ways == 2:
                parts.append(f"static float {name}_both[{layer.steps * layer.outputs}];")
                fields["both"] = f"{name}_both"
        if not isinstance(layer, LayerNorm) and layer.scale.size:
            fields["scale"] = f"{name}_scale"
        if not isinstance(layer, Recurrent) and layer.activation != "none":
            fields["activation"] = layer.activation.upper()
        rows.append(fields_of(fields))
    pool = {"rows": "pool_rows", "in": str(program.pool.width), "kind": "POOL"}
    if program.pool.score.size:
        pool["bias"] = "attention_score"
    rows.append(fields_of(pool))
    parts.append(f"static float pool_rows[{plan.rows[-1]}];")
    parts.append("static float features[FEATURES];")
    if program.pool.kind == "attention":
        parts.append("static float most, total; /* the largest score, the sum of all shares */")
    if at:
        parts.append(f"static float states[{at}];")
    return table_of_layers(program, parts, rows)
