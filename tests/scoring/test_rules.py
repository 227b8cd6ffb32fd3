import numpy as np
import pytest

from atml.errors import InputError
from atml.scoring import rules


def test_rules_are_found_by_name():
    assert set(rules.RULES) == {"aha-aed", "cinc2017", "iccad2022", "iccad2023", "iesd2024"}
    for name, rule in rules.RULES.items():
        assert rules.rule(name) is rule
        assert rule.NAME == name
    with pytest.raises(InputError, match=r"'iesd2025'; known: aha-aed, cinc2017, .*iesd2024"):
        rules.rule("iesd2025")


def test_a_rule_takes_only_the_options_it_knows():
    aed, contest = rules.rule("aha-aed"), rules.rule("iccad2022")
    assert rules.settings(aed, {}) == {"vf_amplitude": 0.2, "vt_rate": 150}
    assert rules.settings(aed, {"vt_rate": 180, "vf_amplitude": None}) == {
        "vf_amplitude": 0.2,
        "vt_rate": 180,
    }
    assert rules.settings(contest, {"vt_rate": None}, latency_ms=1, size_kib=2) == {}
    with pytest.raises(InputError, match="iccad2022 takes no --vt-rate; it is for rule aha-aed"):
        rules.settings(contest, {"vt_rate": 180})
    with pytest.raises(InputError, match="--vt-rate 0 is no limit"):
        rules.settings(aed, {"vt_rate": 0})
    with pytest.raises(InputError, match="aha-aed awards nothing for latency or size"):
        rules.settings(aed, {}, size_kib=30)
    with pytest.raises(InputError, match="size nan KiB is no measurement"):
        rules.settings(contest, {}, size_kib=float("nan"))


@pytest.mark.parametrize("name", ["aha-aed", "iccad2022", "iccad2023", "iesd2024"])
def test_a_tie_counts_as_positive(name):
    rule = rules.rule(name)
    assert rule.decide([[1, 1], [1, 0], [0, 1], [1.0000001, 1.0]]).tolist() == [1, 0, 1, 0]
    with pytest.raises(InputError, match=r"\(1, 3\)"):
        rule.decide([[1, 2, 3]])


def test_a_figure_that_a_rule_does_not_have(judged):
    got = rules.rule("iccad2022").score(judged([1, 0], [1, 0], ["S", "S"]), {})
    with pytest.raises(KeyError, match="rule iccad2022 has no figure 'G': F, F1"):
        got["G"]
    with pytest.raises(KeyError, match="no table 'categories'"):
        got.table("categories")


def test_intervals_hold_their_figure(judged):
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 400)
    called = np.where(random.random(400) < 0.8, truth, 1 - truth)
    subject = np.repeat([f"S{i}" for i in range(20)], 20)
    for rule in ("aha-aed", "iccad2022", "iccad2023", "iesd2024"):
        judge = rules.rule(rule)
        got = judge.score(judged(truth, called, subject), judge.OPTIONS)
        for figure in got.figures:
            if figure.interval is not None and figure.key != "G":
                assert figure.value == pytest.approx(figure.interval.value)
                assert figure.interval.low < figure.value < figure.interval.high
