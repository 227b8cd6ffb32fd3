"""Single beats drawn: the wrong ones by kind of error, and what the exported file reacted to in each.

Right and wrong are out of fold. Saliency and attention are of the exported file, which was trained on all
patients, these included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atml.arrays import Floats, Int64
from atml.artifacts.model import ExportedModel
from atml.data.cases import beat_at, short
from atml.errors import ExportError
from atml.formatting import listed, plural, sentence, share
from atml.report import attention, saliency, strips
from atml.report.attention import Attention
from atml.report.beat_counts import ectopic
from atml.report.beat_places import BeatPlaces
from atml.report.error_browser import in_turn
from atml.report.material import Material
from atml.report.outcome import Decided, unit_of
from atml.report.page import Block, Drawing, Empty, Fold, Text
from atml.report.strips import Strip
from atml.searching.plan import Plan
from atml.tasks.task import Task

EACH = 3
"""Beats of a kind of error that are drawn, of different patients where there are some."""

READING = (
    "The grey line marks the beat in question. Above stand the beats of the data round it: their symbol"
    " as annotated, and after an arrow the class that they were called where that is another; between them"
    " the"
    " interval in ms. Beats that the task leaves out (fusion, unknown, none) have no symbol."
)
"""How to read a strip."""


@dataclass(frozen=True)
class _Drawn:
    """All that strips are drawn from; ``reacts`` and ``weighs`` are None where ``why`` says the reason."""

    plan: Plan
    found: Decided
    places: BeatPlaces
    exported: ExportedModel | None
    weighs: Attention | None

    @property
    def task(self) -> Task:
        return self.plan.definition.task


def examples(material: Material) -> list[Block]:
    """Draw wrong beats by kind of error, then some right ones; say why not where that can't be."""
    outcome, plan, places = material.outcome, material.plan, material.places
    found = outcome.decided
    if outcome.why or plan is None or found is None or places is None:
        return [Empty(sentence(f"no beats can be shown: {outcome.why or material.plan_gone}"))]
    exported, why = outcome.exported
    weighs, why_not = _weighs(exported)
    drawn = _Drawn(plan, found, places, exported, weighs)
    blocks: list[Block] = [Text(_said(found, exported is not None, weighs is not None))]
    if exported is None:
        blocks.append(Empty(sentence(f"neither saliency nor attention can be drawn: {why}")))
    elif weighs is None:
        blocks.append(Empty(sentence(f"no attention can be drawn: {why_not}")))
    wrong = [block for pair in _pairs(drawn.task) if (block := _error(drawn, *pair)) is not None]
    if not wrong:
        wrong.append(Empty("No beat is wrong in every training: there is none to show."))
    right = [block for label in range(len(drawn.task.classes)) if (block := _right(drawn, label)) is not None]
    return [*blocks, *wrong, Fold("Beats called right", tuple(right))]


def _weighs(exported: ExportedModel | None) -> tuple[Attention | None, str]:
    if exported is None:
        return None, ""
    try:
        return Attention(exported), ""
    except ExportError as error:
        return None, str(error)


def _said(found: Decided, salient: bool, weighed: bool) -> str:
    right, wrong = ((found.called == found.truth).all(axis=0), (found.called != found.truth).all(axis=0))
    runs = {1: "the training", 2: "both trainings"}.get(
        len(found.called), f"all {len(found.called)} trainings"
    )
    mixed = len(found.truth) - int(right.sum()) - int(wrong.sum())
    split = f"; {mixed:,} are right in some" if mixed else ""
    said = (
        f"Of {len(found.truth):,} beats {int(right.sum()):,} are called right out of fold by {runs} and"
        f" {int(wrong.sum()):,} wrong{split}. Of each kind of error the surest are drawn, of {EACH} patients"
        f" where so many have it. {READING}"
    )
    if salient:
        said += f" {saliency.LIMITS}"
    return f"{said} {attention.LIMITS}" if weighed else said


def _pairs(task: Task) -> list[tuple[int, int]]:
    """Return pairs of a true and another called class: those about VEB first, then SVEB."""
    first = ectopic(task.classes)
    order = [*first, *(i for i in range(len(task.classes)) if i not in first)]
    every = [(truth, called) for truth in order for called in order if truth != called]
    return sorted(every, key=lambda pair: min(order.index(label) for label in pair))


def _error(drawn: _Drawn, truth: int, called: int) -> Block | None:
    """Draw the surest beats of one kind of error; None where there is no such error."""
    found, classes = drawn.found, drawn.task.classes
    at, here = _surest(drawn, truth, called)
    if not len(at):
        return None
    people = np.unique(drawn.plan.dataset.subject[found.rows[here]])
    whole = int((found.truth == truth).sum())
    name = f"{classes[truth]} called {classes[called]}"
    kind = {True: f"a missed {short(classes[truth])}", False: f"a false {short(classes[called])}"}
    what = kind[truth in ectopic(classes)]
    says = (
        f"{name}, {what}: {len(here):,} of {whole:,} ({share(len(here), whole)}), of"
        f" {plural(len(people), 'patient')}; drawn {'is' if len(at) == 1 else 'are'} the surest."
    )
    return _block(drawn, f"beats-{classes[truth]}-called-{classes[called]}", at, called, says)


def _right(drawn: _Drawn, label: int) -> Block | None:
    """Draw the surest beats of a class that are called right."""
    at, here = _surest(drawn, label, label)
    if not len(at):
        return None
    name = drawn.task.classes[label]
    drawn_are = f"drawn {'is' if len(at) == 1 else 'are'} the surest"
    says = f"{name} called {name}: {plural(len(here), 'beat')}; {drawn_are}."
    return _block(drawn, f"beats-{name}-right", at, label, says)


def _surest(drawn: _Drawn, truth: int, called: int) -> tuple[Int64, Int64]:
    """Return places in `Decided` of beats that all runs call so: those to draw, and all."""
    found = drawn.found
    alike = (found.called == found.called[0]).all(axis=0)
    here = np.flatnonzero(alike & (found.truth == truth) & (found.called[0] == called))
    size = np.abs(found.margins.mean(axis=0))[here]
    return here[in_turn(drawn.plan.dataset.subject[found.rows[here]], size, EACH)], here


def _block(drawn: _Drawn, name: str, at: Int64, called: int, says: str) -> Block:
    """Draw beats below one another, all to one scale, and say how sure each decision is."""
    task, found = drawn.task, drawn.found
    made, margins = [], []
    for one in at.tolist():
        strip, margin = _strip(drawn, one, called)
        made.append(strip)
        margins.append(margin)
    ahead = listed([" and ".join(f"{m:.2f}" for m in found.margins[:, one]) for one in at.tolist()])
    says += f" Out of fold {task.classes[called]} is ahead by {ahead}"
    known = [f"{margin:+.2f}" for margin in margins if margin is not None]
    if known:
        says += f"; for the exported file, trained on these patients too, by {listed(known)}"
    legend = task.classes[called] if known else ""
    figure = "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in name)
    return Drawing(figure, strips.draw(made, unit=unit_of(drawn.plan.origin), legend=legend), f"{says}.")


def _strip(drawn: _Drawn, at: int, called: int) -> tuple[Strip, float | None]:
    """Return the strip of a beat, and the margin of the exported file for its call."""
    data, task, row = drawn.plan.dataset, drawn.task, int(drawn.found.rows[at])
    x = np.array(data.x[row])
    margin, salient, weights = _reaction(drawn, x, called)
    before = beat_at(task) or 0.0
    strip = Strip(
        x=x,
        rate=data.sampling_rate,
        title=f"{_who(drawn, row)}: {task.classes[data.y[row]]} called {task.classes[called]}",
        saliency=salient,
        attention=weights,
        leads=drawn.plan.origin.leads,
        beats=_named(drawn, row, before),
        mark=before,
    )
    return strip, margin


def _reaction(drawn: _Drawn, x: Floats, called: int) -> tuple[float | None, Floats | None, Floats | None]:
    """Return margin, saliency and attention of the exported file; None each where it can't be run."""
    if drawn.exported is None:
        return None, None, None
    try:
        margin, salient = saliency.saliency(drawn.exported, x.astype(np.float32), called)
        return margin, salient, None if drawn.weighs is None else drawn.weighs(x.astype(np.float32))
    except ExportError:  # another number of leads than the data have now: the page says whose file it is
        return None, None, None


def _who(drawn: _Drawn, row: int) -> str:
    """Name patient, recording and time."""
    patient, words = str(drawn.plan.dataset.subject[row]), str(drawn.places.words[row])
    same = str(drawn.places.record[row]) == patient
    return f"Patient {words}" if same else f"Patient {patient}, {words}"


def _named(drawn: _Drawn, row: int, before: float) -> tuple[tuple[float, str], ...]:
    """Return the beats of the data in a window: seconds since it begins, and what stands above them."""
    data, task, places = drawn.plan.dataset, drawn.task, drawn.places
    after = task.samples_after_beat / task.sampling_rate
    found = []
    for other in places.near(row, before, after):
        at = int(np.searchsorted(drawn.found.rows, other))
        symbol = str(data.rhythm[other]) or task.classes[data.y[other]]
        known = at < len(drawn.found.rows) and drawn.found.rows[at] == other
        called = task.classes[drawn.found.called[0, at]] if known else ""
        wrong = known and called != task.classes[data.y[other]]
        place = before + float(places.seconds[other] - places.seconds[row])
        found.append((place, f"{symbol}\N{RIGHTWARDS ARROW}{called}" if wrong else symbol))
    return tuple(found)


__all__: Sequence[str] = ("examples",)
