import numpy as np
import pytest

from atml.data.episode import Episode
from atml.scoring.time_to_decision import Moment, measure, times
from atml.tasks.task import Task

TASK = Task(name="made-up", classes=("calm", "shock"), positive=1, sampling_rate=100, window=200)


def episode(label, seconds, onset=2.0, subject="a", before=0.0, level=1.0):
    """``onset`` s of one level, then ``seconds`` of another."""
    x = np.concatenate([np.full(round(onset * 100), before), np.full(round(seconds * 100), level)])
    return Episode(
        subject=subject, rhythm="X", x=x[None].astype(np.float32), onset=round(onset * 100), label=label
    )


def more_than(share):
    """Call a window whose mean exceeds a level: so much of it has to be of the new rhythm."""
    return lambda x: (x.mean(axis=(1, 2)) > share).astype(np.int64)


def moment(found, seconds):
    return next(m for m in found if m.seconds == seconds)


def test_times_are_fine_up_to_the_window_and_go_on_to_ten_seconds():
    assert times(TASK) == (0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    long = Task(name="long", classes=("a", "b"), positive=1, sampling_rate=250, window=1625)
    assert 6.5 in times(long) and times(long)[-1] == 13


def test_a_decision_comes_when_enough_of_the_window_is_new():
    found = measure([episode(1, 6), episode(1, 3, subject="b")], more_than(0.7), TASK)
    assert found.name == "shock" and found.window == 2
    assert found.episodes == (2, 0) and found.subjects == (2, 0) and found.onsets == (2, 0)
    # 1.5 s of 2 s are 0.75 of the window.
    assert moment(found.positive, 1.0) == Moment(1.0, 2, 2, 0.0, 0.0)
    assert moment(found.positive, 1.5) == Moment(1.5, 2, 2, 1.0, 1.0)
    # The shorter one can't be asked after its end.
    assert moment(found.positive, 4.0) == Moment(4.0, 1, 1, 1.0, 1.0)
    assert moment(found.positive, 7.0) == Moment(7.0, 0, 0, None, None)


def test_once_called_stays_called():
    x = np.concatenate([np.ones(350), np.zeros(400)])[None].astype(np.float32)
    fading = Episode(subject="a", rhythm="X", x=x, onset=0, label=1)
    found = measure([fading], more_than(0.5), TASK)
    assert moment(found.positive, 2.0) == Moment(2.0, 1, 1, 1.0, 1.0)
    assert moment(found.positive, 6.0) == Moment(6.0, 1, 1, 0.0, 1.0)


def test_separate_segments_are_first_asked_after_a_window():
    found = measure([episode(1, 5, onset=0)], more_than(0.5), TASK)
    assert found.onsets == (0, 0)
    assert moment(found.positive, 1.5).episodes == 0
    assert moment(found.positive, 2.0).episodes == 1


def test_false_alarms_count_only_inside_the_episode():
    # The shockable signal before it is still in the window for 2 s: a call is right until then.
    after = episode(0, 6, before=1.0, level=0.0)
    found = measure([after], more_than(0.3), TASK)
    assert moment(found.others, 1.0) == Moment(1.0, 0, 0, None, None)
    assert moment(found.others, 2.0) == Moment(2.0, 1, 1, 0.0, 0.0)
    assert moment(found.others, 6.0) == Moment(6.0, 1, 1, 0.0, 0.0)
    alarming = measure([after, episode(0, 6, level=1.0)], more_than(0.3), TASK)
    assert moment(alarming.others, 4.0) == Moment(4.0, 2, 1, 0.5, 0.5)


def test_nothing_to_ask():
    found = measure([], more_than(0.5), TASK)
    assert found.episodes == (0, 0)
    assert all(m == Moment(m.seconds, 0, 0, None, None) for m in (*found.positive, *found.others))
    assert len(found.to_dict()["positive"]) == len(times(TASK))


@pytest.mark.parametrize("onset", [0.5, 1.0])
def test_a_window_never_reaches_before_what_is_known(onset):
    asked = []

    def remember(x):
        asked.append(x.shape)
        return np.zeros(len(x), np.int64)

    found = measure([episode(1, 4, onset=onset)], remember, TASK)
    assert next(m.seconds for m in found.positive if m.episodes) == 2 - onset
    assert set(asked) == {(1, 1, 200)}
