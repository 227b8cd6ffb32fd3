"""How the search went: best values, parameters that mattered, regions, what stopping early saved, time."""

from __future__ import annotations

from collections import Counter

from atml.errors import InputError
from atml.formatting import listed, plural, sentence
from atml.report import theme
from atml.report.comparable import best_tenth
from atml.report.history import against_time, against_trials, whole
from atml.report.material import Material
from atml.report.page import Block, Chart, Empty, Grid, Heading, Text
from atml.report.parallel import MOST_AXES, coordinates
from atml.report.spending import phases, pruning

FEW = 30
"""Good trials below which the order of importances is as much chance as not."""


def contents(material: Material) -> list[Block]:
    """Tell it in six parts."""
    if not material.finished:
        failed = Counter(t.state for t in material.searched)["failed"]
        why = f"{plural(failed, 'trial')} failed, and none" if failed else "No trial"
        return [Empty(f"{why} has come to an end yet.")]
    blocks: list[Block] = [Text(_sources(material)), Heading("Best value"), *_history(material)]
    blocks += [Heading("Parameters that mattered"), *_importances(material), *_coordinates(material)]
    blocks += [Heading("Rejected regions"), *_regions(material)]
    blocks += [Heading("What stopping early saved"), *pruning(material)]
    return [*blocks, Heading("Time"), *phases(material)]


def _sources(material: Material) -> str:
    found = Counter(t.origin for t in material.finished)
    words = {
        "default": "the default config of the task",
        "portfolio": "named by the search space to be tried first",
        "earlier": f"with the parameters of {material.start.named if material.start else 'an earlier study'}",
        "reference": "drawn at random",
        "sampled": "proposed by the TPE sampler",
        "audit": "drawn in a rejected region, to see whether it is still as bad",
        "queued": "given by hand",
    }
    parts = [f"{n:,} {words.get(source, source)}" for source, n in found.most_common()]
    failed = sum(t.state == "failed" for t in material.searched)
    said = f"{plural(len(material.finished), 'trial')} came to an end: {listed(parts)}."
    if failed:
        said += f" Another {failed:,} failed with their workers; the search tries such parameters again."
    return said


def _history(material: Material) -> list[Block]:
    if not whole(material.finished):
        return [Empty("No trial ran over every fold within its budget, so there is no value to follow yet.")]
    charts = (against_trials(material.finished), against_time(material.finished, material.best))
    return [chart for chart in charts if chart is not None]


def _importances(material: Material) -> list[Block]:
    from atml.searching.importance import LEAST, MOST, RARE

    found, trained = material.importances, len(material.standing)
    if not found:
        return [
            Empty(
                f"Importances take {LEAST} trained trials, so that the best tenth is more than a handful;"
                f" this study has {trained}."
                if trained < LEAST
                else "The trials can't be told apart, so the importance of parameters is not known."
            )
        ]
    shown = list(found.items())[:12]
    figure = theme.figure(x="share", height=80 + 26 * len(shown), legend=False)
    figure.add_bar(
        x=[round(v, 4) for _, v in shown],
        y=[name for name, _ in shown],
        orientation="h",
        marker={"color": theme.BLUE},
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(autorange="reversed", ticks="")
    first = [f"{name} ({v:.0%})" for name, v in shown[:3]]
    said = (
        f"What sets the best {len(best_tenth(material.standing)):,} of {trained:,} trained trials apart from"
        f" the others: {listed(first)} first (PED-ANOVA)."
    )
    if trained > MOST:
        said += f" It is taken over {MOST:,} of the trained trials, evenly chosen along that order."
    if len(found) > len(shown):
        rest = sum(found.values()) - sum(v for _, v in shown)
        said += f" Drawn are the first {len(shown)}; the other {len(found) - len(shown)} have"
        said += f" {rest:.0%} together."
    said += f" With {len(found)} alike each would have {1 / len(found):.0%}"
    few = len(best_tenth(material.standing)) < FEW
    said += ", and so few good trials put them in an order by chance as well." if few else "."
    if len(found) < len(material.axes):
        out = plural(len(material.axes) - len(found), "parameter")
        said += f" {out} that fewer than {RARE} of the best tenth have can't be judged and are left out."
    said += " It says what the good trials have in common, not what a change would do."
    return [Chart("importances", figure, said)]


def _coordinates(material: Material) -> list[Block]:
    ordered = material.standing
    if len(ordered) < 5:
        return [Empty(f"{plural(len(ordered), 'trained trial')} are too few to lay side by side.")]
    names = [name for name in material.importances if name in material.axes]
    if not names:
        # Too few to rank them: those that every trial has, in the order of asking.
        names = [n for n in material.axes if all(n in t.params for t in ordered)]
    return [coordinates(ordered, material.axes, names[:MOST_AXES], material.best)]


def _regions(material: Material) -> list[Block]:
    from atml.regions import meaning, row
    from atml.regions.verdicts import LIFTED, OPEN, REFUSED, REJECTED, SUSPECTED
    from atml.searching import region_learning

    if material.store.ledger(material.study) is None:
        return [
            Empty(
                "This search learned no rejected regions: searches do only where that is asked for."
                " Every part of the search space stayed open."
            )
        ]
    try:
        state = region_learning.state(material.store, material.study)
    except InputError as error:
        return [Empty(sentence(f"The regions can't be judged any more: {error}"))]
    found = [r for r in state.found if r.status != OPEN]
    counts = Counter(r.status for r in state.found)
    means = f"A rejected region says: {meaning(state.ledger, state.found)}."
    if not found:
        return [Empty(f"Of {plural(len(state.found), 'region')} under test none was rejected. {means}")]
    order = {REJECTED: 0, SUSPECTED: 1, LIFTED: 2}
    found.sort(key=lambda r: (order.get(r.status, 3), -r.share))
    rows = tuple(
        (r.box.words(), r.status, r.words(), f"{r.share:.0%}", row(r)["source"], r.id) for r in found
    )
    one = counts[REJECTED] == 1
    said = f"Of {plural(len(state.found), 'region')} under test, {counts[REJECTED]} stand{'s' * one} rejected"
    if counts[REJECTED]:
        closed = state.space.share(*(r.box for r in state.found if r.binds))
        said += f" and close{'s' * one} {closed:.0%} of the search space"
    if counts[SUSPECTED]:
        said += f"; suspect, and sampled less until more is known: {counts[SUSPECTED]}"
    if counts[REFUSED]:
        said += f"; as bad, but open, for closing them too would leave too little: {counts[REFUSED]}"
    if counts[LIFTED]:
        said += f"; opened again: {counts[LIFTED]}"
    if counts[OPEN]:
        said += f"; open: {counts[OPEN]}"
    return [Grid(("region", "status", "evidence", "covers", "source", "id"), rows, f"{said}. {means}")]
