"""Which rows each batch holds: all, subjects or classes alike, the most frequent class thinned."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from atml.arrays import Bools, Floats, Int64, Strings
from atml.models.config import ModelConfig


def rows(config: ModelConfig, subject: Strings, y: Int64, *, seed: int, true: Bools | None = None) -> Tensor:
    """Row numbers of every batch, ``(steps, batch)`` int64.

    "uniform" deals shuffled decks of all rows, one after another; "subject" draws a subject, then one of
    its rows, so that a long recording teaches no more than a short one; "class" draws a class, one of the
    subjects that have it, then one of its rows of that class. ``thinning`` leaves some rows of the most
    frequent class out of each pass: of a deck, or of as many draws as there are rows.

    Where rows have several labels, ``true (n, labels)`` says which: "class" then draws a label, or none at
    all, and ``thinning`` leaves rows of the most frequent set of labels out.
    """
    count = config.steps * config.batch
    generator = torch.Generator().manual_seed(seed)
    n = len(subject)
    if config.sampling == "class":
        groups = [y == klass for klass in np.unique(y)] if true is None else _label_groups(true)
        return _by_group(subject, groups, count, generator).view(config.steps, config.batch)
    if true is not None:
        y = np.unique(y, return_inverse=True)[1].astype(np.int64)
    kept = _kept(y, config.thinning)
    if kept is not None:
        common, others, take = kept
        passes: list[Tensor] = []
        while sum(len(one) for one in passes) < count:
            of = torch.cat([common[torch.randperm(len(common), generator=generator)[:take]], others])
            passes.append(_pass(config, subject, of, generator))
        return torch.cat(passes)[:count].view(config.steps, config.batch)
    if config.sampling == "uniform":
        decks = [torch.randperm(n, generator=generator) for _ in range(-(-count // n))]
        return torch.cat(decks)[:count].view(config.steps, config.batch)
    return _by_subject(subject, count, generator).view(config.steps, config.batch)


def seen_more(config: ModelConfig, y: Int64, drawn: Tensor) -> Floats | None:
    """Return the logarithm of how much more often batches have each class than the data, ``(classes,)``.

    None where batches are not balanced by class. Added to the logits within the loss alone, it leaves the
    network with what it would say of classes as frequent as they come (Menon et al., "Long-tail learning via
    logit adjustment", 2021): how evenly classes are drawn then does not move the decision.

    Args:
        config: Its ``sampling`` and ``thinning``.
        y: Class of each row, ``(n,)``; every class has one.
        drawn: What `rows` returned.
    """
    if config.sampling != "class" and not config.thinning:
        return None
    there = np.bincount(y) / len(y)
    seen = np.bincount(y[drawn.numpy().reshape(-1)], minlength=len(there)) / drawn.numel()
    with np.errstate(divide="ignore", invalid="ignore"):
        more = np.log(seen / there)
    found: Floats = np.where(np.isfinite(more), more, 0.0)
    return found


def seen_more_labels(config: ModelConfig, true: Bools, drawn: Tensor) -> Floats | None:
    """Return the logarithm of how much higher the odds of each label are in batches than in the data.

    ``(labels,)``, of ``true (n, labels)`` and what `rows` returned; None where batches are not balanced. It
    is added to the logits as that of `seen_more` is.
    """
    if config.sampling != "class" and not config.thinning:
        return None

    def odds(share: Floats) -> Floats:
        found: Floats = np.log(share) - np.log1p(-share)
        return found

    seen = true[drawn.numpy().reshape(-1)].mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = odds(seen) - odds(true.mean(0))
    found: Floats = np.where(np.isfinite(more), more, 0.0)
    return found


def _by_subject(subject: Strings, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` rows, subjects alike."""
    _, whose, sizes = np.unique(subject, return_inverse=True, return_counts=True)
    order = torch.from_numpy(np.argsort(whose, kind="stable"))
    size = torch.from_numpy(sizes)
    first = size.cumsum(0) - size
    who = torch.randint(len(size), (count,), generator=generator)
    # float64: a share below 1 times a size stays below the size.
    share = torch.rand(count, generator=generator, dtype=torch.float64)
    within = (share * size[who]).long()
    return order[first[who] + within]


def _label_groups(true: Bools) -> list[Bools]:
    """Return which rows have each label, and which have none; groups without a row are left out."""
    groups = [*true.T, ~true.any(1)]
    return [group for group in groups if group.any()]


def _by_group(subject: Strings, groups: list[Bools], count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` rows: groups alike, of each group its subjects alike."""
    which = torch.randint(len(groups), (count,), generator=generator)
    found = torch.empty(count, dtype=torch.int64)
    for place, group in enumerate(groups):
        of = np.flatnonzero(group)
        wanted = which == place
        drawn = _by_subject(subject[of], int(wanted.sum()), generator)
        found[wanted] = torch.from_numpy(of)[drawn]
    return found


def _kept(y: Int64, thinning: float) -> tuple[Tensor, Tensor, int] | None:
    """Rows of the most frequent class, all others, and how many of the former a pass takes; None for all."""
    counts = np.bincount(y)
    most = int(counts.argmax())
    take = max(1, round(thinning * (len(y) - int(counts[most]))))
    if thinning <= 0 or take >= counts[most]:
        return None
    common, others = (torch.from_numpy(np.flatnonzero(of)) for of in (y == most, y != most))
    return common, others, take


def _pass(config: ModelConfig, subject: Strings, of: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many rows as ``of`` holds: each once, or subjects alike."""
    if config.sampling == "uniform":
        return of[torch.randperm(len(of), generator=generator)]
    return of[_by_subject(subject[of.numpy()], len(of), generator)]
