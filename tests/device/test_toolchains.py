"""A model with known answers is compiled for every target, run under emulation, counted and measured."""

from __future__ import annotations

import functools
import gc
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml.device.toolchains import cortex_m, emulation, qemu
from atml.device.toolchains.building import Image, build
from atml.device.toolchains.compilers import NAMES, compiler_for
from atml.device.toolchains.targets import TARGETS, target_named
from atml.errors import BuildError, ExportError, InputError, ToolchainError

HEADER = """\
#define ATML_LEADS 1
#define ATML_WINDOW 64          /* samples a lead */
#define ATML_CLASSES 2
int atml_run(const float *window, float *logits);
void atml_reset(void);
int atml_push(const float *sample);
extern float atml_logits[ATML_CLASSES];
"""

SOURCE = """\
#include "model.h"
#include <stdint.h>
#include <string.h>
static const float weight[ATML_CLASSES][ATML_WINDOW] = {WEIGHTS};
static float kept[ATML_WINDOW];
int atml_run(const float *window, float *logits)
{
#ifdef NOPS
  __asm__ volatile(".rept 100\\n\\tnop\\n\\t.endr");
#endif
#ifdef DEEP
  volatile char deep[1000];
  for (int i = 0; i < 1000; i++) deep[i] = 1;
  (void)deep;
#endif
#ifdef FAULT
  *(volatile int *)(uintptr_t)0x70000000u = 1;
#endif
  memcpy(kept, window, sizeof kept);
  for (int c = 0; c < ATML_CLASSES; c++) {
    float sum = 0.0f, square;
#ifdef INT8
    int32_t whole = 0;
    for (int i = 0; i < ATML_WINDOW; i++)
      whole += (int8_t)(weight[c][i] * 127.0f) * (int8_t)(kept[i] * 16.0f);
    sum = (float)whole * 0.0009765625f;
#else
    for (int i = 0; i < ATML_WINDOW; i++) sum += weight[c][i] * kept[i];
#endif
    square = sum * sum;
    logits[c] = sum * (27.0f + square) / (27.0f + 9.0f * square);
    if (sum > 9.0f) logits[c] = 1.0f;
  }
  return logits[1] > logits[0];
}
float atml_logits[ATML_CLASSES];
static float ring[ATML_WINDOW];
static int held = -1;
void atml_reset(void) { held = 0; }
int atml_push(const float *sample)
{
  ring[held++ % ATML_WINDOW] = *sample;
  return held % ATML_WINDOW ? -2 : atml_run(ring, atml_logits);
}
"""

WEIGHTS = np.round(np.random.default_rng(5).uniform(-1, 1, (2, 64)), 6).astype(np.float32)
# Ordinary windows, one of numbers too small to be normal, and one that is flat.
WINDOWS = np.random.default_rng(6).normal(size=(9, 1, 64)).astype(np.float32)
WINDOWS[7] *= np.float32(1e-39)
WINDOWS[8] = 0

EVERYWHERE = [
    (target, compiler) for target in TARGETS for compiler in NAMES
    if (compiler != "clang" or target == "host") and (compiler != "gcc" or target != "loongarch64")
]  # fmt: skip
"""Clang has no functions for other processors, and Debian 12 no GCC for LoongArch."""


def expected(int8: bool) -> np.ndarray:
    """The logits, in the model's own order of arithmetic, each step rounded to float32."""
    f = np.float32
    found = []
    for window in WINDOWS[:, 0]:
        for row in WEIGHTS:
            if int8:
                whole = (row * f(127)).astype(np.int8).astype(np.int32) @ (window * f(16)).astype(np.int8)
                total = f(whole) * f(2**-10)
            else:
                total = functools.reduce(
                    lambda s, pair: s + pair[0] * pair[1], zip(row, window, strict=True), f(0)
                )
            square = total * total
            found.append(f(1) if total > 9 else total * (f(27) + square) / (f(27) + f(9) * square))
    return np.array(found, np.float32).reshape(-1, 2)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    rows = ",\n".join("{" + ",".join(f"{value:.9e}f" for value in row) + "}" for row in WEIGHTS)
    (folder / "model.h").write_text(HEADER)
    (folder / "model.c").write_text(SOURCE.replace("{WEIGHTS}", "{" + rows + "}"))
    return folder


@pytest.fixture(scope="module")
def built(sources: Path) -> Any:
    """The image for target, compiler and flags: built once, or skipped where nothing builds it."""

    @functools.cache
    def one(target: str, compiler: str | None = None, *flags: str) -> Image:
        try:
            if flags == ("atml_push",):
                return build(sources, target, compiler=compiler, entry="atml_push")
            return build(sources, target, compiler=compiler, flags=flags)
        except ToolchainError as error:
            pytest.skip(str(error))

    return one


@pytest.fixture(scope="module")
def _gcc() -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here; Debian's package is gcc")


def emulators(target: str) -> list[emulation.Emulator]:
    """Every emulator here that runs programs of a target."""
    found: list[emulation.Emulator] = []
    if TARGETS[target].emulator == "cortex-m" and cortex_m.available():
        found.append("unicorn")
    if qemu.program_for(TARGETS[target]) is not None:
        found.append("qemu")
    return found or pytest.skip(qemu.missing(TARGETS[target]))


@pytest.mark.parametrize(("target", "compiler"), EVERYWHERE)
def test_every_target_computes_the_same_bits(built: Any, target: str, compiler: str) -> None:
    for flags in ((), ("-DINT8",)):
        image = built(target, compiler, *flags)
        wanted = expected(bool(flags))
        for emulator in emulators(target):
            logits, classes = emulation.run(image, WINDOWS, emulator=emulator)
            assert logits.tobytes() == wanted.tobytes(), emulator
            assert classes.tolist() == (wanted[:, 1] > wanted[:, 0]).tolist()
    assert len(set(classes.tolist())) == 2
    assert image.compiler.split()[0] == compiler
    assert image.compiler.split()[1][0].isdigit()


@pytest.mark.parametrize("target", [name for name, one in TARGETS.items() if one.freestanding])
def test_instructions_are_counted_exactly(built: Any, target: str) -> None:
    counts = [
        (
            emulation.count(built(target), WINDOWS[0], emulator=emulator),
            emulation.count(built(target, None, "-DNOPS"), WINDOWS[0], emulator=emulator),
        )
        for emulator in emulators(target)
    ]
    assert counts[0][1] - counts[0][0] == 100
    assert counts[0] == counts[-1]


@pytest.mark.parametrize("target", ["cortex-m0", "cortex-m4"])
def test_blocks_hold_the_instructions_that_ran(built: Any, target: str) -> None:
    unicorn = pytest.importorskip("unicorn", reason="no unicorn; pip install 'atml[device]'")
    image = built(target)
    machine, ran = cortex_m.Machine(image), 0

    def step(*_: object) -> None:
        nonlocal ran
        ran += 1

    machine.core.hook_add(unicorn.UC_HOOK_CODE, step)
    machine.run(WINDOWS[0])
    found = emulation.profile(image, WINDOWS[0])
    # An M0 has no IT instruction; what an M4 skips by one is counted by blocks alone.
    assert found.instructions == ran if target == "cortex-m0" else ran <= found.instructions < ran + 10
    assert sum(found.functions.values()) == found.instructions
    assert sum(length * times for length, times in found.blocks.values()) == found.instructions
    assert found.functions["atml_run"] > 64 * 2 * 3
    assert (len(found.functions) > 3) == (target == "cortex-m0"), "soft floats are functions of their own"


@pytest.mark.parametrize("target", TARGETS)
def test_stack_is_what_the_model_writes_to(built: Any, target: str) -> None:
    for emulator in emulators(target):
        shallow = emulation.stack(built(target), emulator=emulator)
        deep = emulation.stack(built(target, None, "-DDEEP"), WINDOWS[0], emulator=emulator)
        assert 0 < shallow <= 160
        assert 1000 <= deep <= 1000 + shallow + 32


def test_sections_are_those_of_the_model(built: Any) -> None:
    image = built("cortex-m4")
    assert (image.leads, image.samples, image.classes) == (1, 64, 2)
    assert image.model.rodata == image.linked.rodata == WEIGHTS.nbytes
    pushed = built("cortex-m4", None, "atml_push")
    assert (image.linked.data, pushed.linked.data, pushed.model.data) == (0, 4, 4), (
        "only atml_push needs held"
    )
    assert (image.linked.bss, pushed.linked.bss, pushed.model.bss) == (256, 520, 520)
    assert image.linked.text < pushed.linked.text < image.linked.text + 200
    assert (pushed.linked.ram, image.linked.flash) == (524, image.linked.text + WEIGHTS.nbytes)


@pytest.mark.parametrize("target", TARGETS)
def test_samples_are_pushed_one_by_one(built: Any, target: str) -> None:
    image = built(target, None, "atml_push")
    samples = WINDOWS[:3].reshape(-1, 1)
    decided = [63, 127, 191]
    wanted = expected(False)[:3]
    for emulator in emulators(target):
        logits, classes = emulation.run(image, samples, emulator=emulator)
        assert logits[decided].tobytes() == wanted.tobytes()
        assert classes[decided].tolist() == (wanted[:, 1] > wanted[:, 0]).tolist()
        assert np.delete(classes, decided).tolist() == [-2] * 189
        if image.target.freestanding:
            whole = emulation.count(built(target), WINDOWS[0], emulator=emulator)
            waits, decides = (emulation.count(image, samples[:n], emulator=emulator) for n in (63, 64))
            assert waits < 100 < whole < decides < whole + 200
        waiting, deciding = (emulation.stack(image, samples[:n], emulator=emulator) for n in (63, 64))
        assert waiting < deciding if emulator == "unicorn" else waiting <= deciding


@pytest.mark.usefixtures("_gcc")
def test_images_of_their_own_go_when_nothing_holds_them(sources: Path, tmp_path: Path) -> None:
    image = build(sources, "host", compiler="gcc")
    folder = image.folder
    assert image.path.is_file()
    del image
    gc.collect()
    assert not folder.exists()
    assert build(sources, "host", compiler="gcc", folder=tmp_path / "here").path == tmp_path / "here/atml.elf"
    gc.collect()
    assert (tmp_path / "here/atml.elf").is_file()


@pytest.mark.usefixtures("_gcc")
def test_undefined_behaviour_is_found_by_the_host(sources: Path) -> None:
    flags = ("-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all")
    fine = build(sources, "host", compiler="gcc", flags=flags)
    assert emulation.run(fine, WINDOWS[:7])[0].tobytes() == expected(False)[:7].tobytes()
    bad = build(sources, "host", compiler="gcc", flags=(*flags, "-DINT8"))
    with pytest.raises(BuildError, match=r"runtime error: .* outside the range"):
        emulation.run(bad, WINDOWS[:1] * np.float32(1e30))


@pytest.mark.parametrize("target", TARGETS)
def test_a_program_that_ends_early_says_so(built: Any, target: str) -> None:
    for emulator in emulators(target):
        with pytest.raises(BuildError, match=target_named(target).title):
            emulation.run(built(target, None, "-DFAULT"), WINDOWS, emulator=emulator)


@pytest.mark.usefixtures("_gcc")
def test_a_model_that_does_not_compile_says_why(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no model\.c in"):
        build(tmp_path, "host", compiler="gcc")
    (tmp_path / "model.c").write_text('#include "model.h"\nint atml_run(void) { int unused; return 0; }\n')
    (tmp_path / "model.h").write_text("/* nothing */\n")
    with pytest.raises(ExportError, match="does not define ATML_LEADS"):
        build(tmp_path, "host", compiler="gcc")
    (tmp_path / "model.h").write_text(HEADER.partition("int ")[0])
    with pytest.raises(BuildError, match=r"model\.c:2.*unused") as caught:
        build(tmp_path, "host", compiler="gcc")
    assert "\n" not in str(caught.value)
    (tmp_path / "model.c").write_text(
        '#include "model.h"\nint absent(void);\nint atml_run(const float *w, float *l);\n'
        "int atml_run(const float *w, float *l) { (void)w; (void)l; return absent(); }\n"
    )
    with (tmp_path / "model.h").open("a") as header:
        header.write("int atml_run(const float *window, float *logits);\n")
    with pytest.raises(BuildError, match=r"undefined .*absent"):
        build(tmp_path, "host", compiler="gcc")


def test_what_is_unknown_or_missing_is_named(
    built: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(
        ToolchainError, match=r"no such target: 'm5'; targets: host, cortex-m0, .*loongarch64"
    ):
        target_named("m5")
    with pytest.raises(ToolchainError, match="no such compiler: 'icc'; compilers: zig, gcc, clang"):
        compiler_for(TARGETS["host"], "icc")
    image = built("host")
    with pytest.raises(InputError, match=r"shape \(1, 2, 64\) for atml_run; the model takes \(n, 1, 64\)"):
        emulation.run(image, np.zeros((1, 2, 64), np.float32))
    with pytest.raises(InputError, match="not on this machine"):
        emulation.count(image, WINDOWS[0])
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    assert shutil.which("gcc") is None
    old = tmp_path / "zig"
    old.write_text("#!/bin/sh\necho 0.14.1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    m4 = (
        r"no C compiler for Cortex-M4F here: pip install 'atml\[device\]' \(zig\), or apt-get install gcc-arm"
    )
    with pytest.raises(ToolchainError, match=m4):
        compiler_for(TARGETS["cortex-m4"])
    with pytest.raises(
        ToolchainError, match=r"no gcc for Cortex-M4F here: apt-get install gcc-arm-none-eabi"
    ):
        compiler_for(TARGETS["cortex-m4"], "gcc")
    with pytest.raises(ToolchainError, match=r"pip install 'atml\[device\]' \(unicorn\), or apt-get .*-arm$"):
        emulation.emulator_for(TARGETS["cortex-m4"])
    with pytest.raises(ToolchainError, match=r"no emulator for LoongArch64 .*apt-get install qemu-user"):
        emulation.emulator_for(TARGETS["loongarch64"])
