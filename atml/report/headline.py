"""The head of a report: what was searched, and the result in a few figures."""

from __future__ import annotations

import datetime

from atml import __version__
from atml.data.dataset import DataSource
from atml.evaluation.gate import Gate
from atml.formatting import clock, listed, plural, sentence, value
from atml.metrics import FOUR
from atml.report.history import whole
from atml.report.material import Material
from atml.report.spending import spent
from atml.report.tested import alike, tested
from atml.report.writing import Head
from atml.searching.leaderboard import Entry


def headline(material: Material, now: datetime.datetime) -> Head:
    """Summarise a study in a sentence and a few figures; ``now`` is local time, for the foot of the page."""
    task = material.spec["task"]
    return Head(
        title=material.study,
        kicker=f"atml report · task {task} · {_data(material)}",
        lead=_lead(material),
        facts=tuple(_facts(material)),
        foot=(
            f"Written by atml {__version__} on {now:%Y-%m-%d at %H:%M} from {material.store.name}. "
            "atml is a tool for engineers; nothing it makes is a medical device."
        ),
    )


def _data(material: Material) -> str:
    if material.spec.get("synthetic"):
        return "synthetic ECG"
    paths = DataSource.from_dict(material.spec).paths if "data" in material.spec else ()
    return " + ".join(path.name for path in paths) or str(material.spec.get("data_name"))


def _lead(material: Material) -> str:
    trials, best = material.finished, material.best
    if not trials:
        failed = sum(t.state == "failed" for t in material.searched)
        if failed:
            return f"{plural(failed, 'trial')} began, and every one failed: there is no result to report yet."
        return "No trial has come to an end yet: there is no result to report."
    kept = len(whole(trials))
    said = f"{plural(len(trials), 'trial')} came to an end, {kept} of them over every fold"
    seconds = sum(phase.training for phase in spent(material))
    if seconds:
        said += f"; {clock(seconds)} of training in all"
    if best is None or best.config is None:
        over = any(t.state == "complete" for t in trials)
        why = " None of those keeps its budget, so" if over else " So"
        return sentence(f"{said}.{why} there is no winner yet")
    assert material.first is not None
    title = material.first.title
    return sentence(f"{said}. The {title}, is trial {best.number}: {best.config.describe()}")


def _facts(material: Material) -> list[tuple[str, str, str]]:
    facts, first = [], material.first
    if first is not None:
        best = first.record
        note = "out of fold by subject" if first.seeds else "its own value, which helped to pick it"
        facts.append(("Objective, out of fold", value(first.value), f"{first.title}; {note}"))
        source = material.outcome.source
        metrics = source.figures if source is not None else {}
        baseline = metrics.get("baseline") or {}
        if baseline.get("value") is not None:
            facts.append(
                ("Without a network", value(baseline["value"]), f"{baseline['name']}, on the same folds")
            )
        known = {name: metrics[name] for name in FOUR if name in metrics}
        known |= {name: rate["value"] for name, rate in metrics.get("rates", {}).items()}
        facts += _gate(material, {**known, **first.metrics, **first.rates}, its_own=not first.seeds)
        facts.append(_size(material, first))
        if best.cost:
            facts.append(("Work for one window", f"{best.cost.macs:,}", "multiply-accumulates"))
    if material.finished:
        cut = len(material.finished) - len(whole(material.finished))
        facts.append(("Trials", f"{len(material.finished):,}", f"{cut:,} of them cut short or refused"))
    found = [(title, one) for title, one in tested(material) if alike(one) and "F1" in one]
    if found:
        title, one = found[0]
        what = "synthetic test data" if one.get("synthetic") else str(one.get("data", "test data"))
        facts.append(("F1 on test data", value(one["F1"]), f"{what}, rule {one['rule']}, {title}"))
    return facts


def _gate(material: Material, known: dict[str, float], *, its_own: bool) -> list[tuple[str, str, str]]:
    """Show the figure that has least to spare of what the objective's gate asks for."""
    gate = Gate.of_spec(material.spec)
    found = {name: known[name] for name in gate.least if name in known}
    if not found:
        return []
    name = gate.nearest(found) if len(found) == len(gate.least) else min(found, key=lambda k: found[k])
    note = f"{name}; {gate.least[name]:.2f} qualifies"
    note += "; of the run that helped to pick it, untuned" if its_own else ""
    title = "Lowest of four metrics" if gate.floor is not None else "Nearest to its gate"
    return [(title, value(found[name]), note)]


def _size(material: Material, first: Entry) -> tuple[str, str, str]:
    limits = [f"at most {material.spec['max_size_kib']:g} KiB"]
    if material.spec.get("max_ram_kib"):
        limits.append(f"{material.spec['max_ram_kib']:g} KiB of RAM")
    return "ONNX file", f"{first.size_kib:.1f} KiB", f"{listed(limits)} allowed"
