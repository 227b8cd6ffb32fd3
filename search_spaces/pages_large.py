"""Published networks for three views of a page: weeks on a processor, hours on an accelerator.

For ``atml search --task pages --space search_spaces/pages_large.py --max-size 400000``. A network for each
view is refused where the three have more than 100 million parameters, before anything is trained.
"""

from typing import Any

from atml import ModelConfig

FAMILIES = ("page_densenet121", "page_efficientnetv2_s", "page_resnet50", "page_vit_b16")

DEFAULT: dict[str, Any] = {
    "family": "page_densenet121",
    "views": "columns",
    "own_views": True,
    "vote": "concat",
    "learning_rate": 1e-3,
    "weight_decay": 5e-2,
    "noise": 0.05,
    "rotation": 10.0,
    "pages_seen": 32_000,
}
"""Trial 0: DenseNet121 for each of the columns, joined by 256 units."""

PORTFOLIO: tuple[dict[str, Any], ...] = (
    {**DEFAULT, "family": "page_efficientnetv2_s"},
    {**DEFAULT, "family": "page_resnet50"},
    {**{name: one for name, one in DEFAULT.items() if name != "own_views"}, "family": "page_vit_b16"},
)
"""The other three, each at the size that the limit leaves room for."""


def suggest(trial: Any) -> ModelConfig:
    """Return the config of one trial."""
    family = trial.suggest_categorical("family", FAMILIES)
    views = trial.suggest_categorical("views", ["columns", "rows"])
    # Three separate transformers have 260 million parameters.
    own = family != "page_vit_b16" and trial.suggest_categorical("own_views", [True, False])
    return ModelConfig(
        family=family,
        views=views,
        own_views=own,
        vote=trial.suggest_categorical("vote", ["concat", "mean", "max", "learned"]),
        size=224,
        optimizer="adamw",
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-3, 2e-1, log=True),
        batch=32,
        steps=trial.suggest_int("pages_seen", 16_000, 64_000, step=4_000) // 32,
        averaging=0.99,
        class_weights="balanced",
        noise=trial.suggest_float("noise", 0.0, 0.1),
        rotation=trial.suggest_float("rotation", 0.0, 50.0),
        shift=0.04,
        stretch=0.04,
        scale=0.1,
    )
