"""`atml predict` on files of every kind: the same signal, the same decisions."""

from __future__ import annotations

import csv
import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import atml
from atml.artifacts.seen import amplitude, hashed
from atml.errors import DataError, InputError
from atml.library import prediction
from tests.terminal import run
from tests.waves import write_challenge, write_wfdb


@pytest.fixture(scope="module")
def signal(earlier: Path) -> np.ndarray:
    """20 s: two windows of AF, two of another rhythm."""
    held = np.load(earlier / "afib.npz")
    return np.concatenate([held["x"][held["y"] == label][:2].ravel() for label in (1, 0)]).astype(np.float64)


def kinds(where: Path, signal: np.ndarray) -> dict[str, Path]:
    np.save(where / "array.npy", signal[None])
    np.savetxt(where / "plain.txt", signal)
    table = np.column_stack([np.arange(len(signal)) / 250, signal])
    np.savetxt(where / "table.csv", table, delimiter=",", header="time,ECG", comments="")
    return {
        kind: where / f"{kind}.{end}" for kind, end in (("array", "npy"), ("plain", "txt"), ("table", "csv"))
    }


def test_arrays_and_tables_are_decided_alike(model: atml.Model, signal: np.ndarray, tmp_path: Path) -> None:
    wanted = model.predict_recording(signal)
    for kind, file in kinds(tmp_path, signal).items():
        found = atml.predict(model, file)
        assert found.windows["recording"].tolist() == [kind] * 4
        assert found.windows.drop(columns="recording").equals(wanted) or np.allclose(
            found.windows["score_AF"], wanted["score_AF"], atol=1e-6
        )
        rate = [note for note in found.notes if "doesn't state its rate: 250 Hz" in note]
        assert len(rate) == (kind != "table")  # its column of time tells it


def test_episodes_follow_the_decisions(model: atml.Model, signal: np.ndarray, tmp_path: Path) -> None:
    file = kinds(tmp_path, signal)["array"]
    found = atml.predict(model, file)
    af = (found.windows["decision"] == "AF").tolist()
    (row,) = found.recordings.to_dict("records")
    assert row["monitored_s"] == 20 and row["seconds"] == 5 * sum(af) and row["burden"] == sum(af) / 4
    assert found.episodes["seconds"].sum() == row["seconds"]
    other = atml.predict(model, file, classes=["other", "AF"])
    assert other.recordings["seconds"].sum() == 20
    assert atml.predict(model, file, shortest_s=21).episodes.empty


def test_the_rate_that_was_given_is_that_of_files_that_tell_none(model: atml.Model, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3600))
    assert len(atml.predict(model, tmp_path / "x.npy", sampling_rate=360).windows) == 2


def test_wfdb_records_are_found_by_any_of_their_names(model: atml.Model, tmp_path: Path) -> None:
    write_wfdb(tmp_path / "db", range(100, 102), lead="MLII")
    whole = atml.predict(model, tmp_path / "db")
    assert sorted(set(whole.windows["recording"])) == ["100", "101"]
    for name in ("100", "100.hea", "100.dat"):
        one = atml.predict(model, tmp_path / "db" / name, lead="MLII")
        assert one.windows.equals(whole.windows[whole.windows["recording"] == "100"].reset_index(drop=True))
    with pytest.raises(DataError, match=r"has no lead 'V9'; its leads are 0 MLII"):
        atml.predict(model, tmp_path / "db", lead="V9")
    with pytest.raises(DataError, match="leave out --sampling-rate 500"):
        atml.predict(model, tmp_path / "db", sampling_rate=500)


def test_records_of_the_challenge_need_no_labels(model: atml.Model, tmp_path: Path) -> None:
    write_challenge(tmp_path / "cinc", 2)
    (tmp_path / "cinc" / "REFERENCE.csv").unlink()
    found = atml.predict(model, tmp_path / "cinc")
    assert sorted(set(found.windows["recording"])) == ["A00000", "A00001"]


def test_segments_of_a_set_each_are_a_recording(
    model: atml.Model, signal: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "TOGETHER", 3)
    counted: list[int] = []
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as made:
        for number, part in enumerate(signal.reshape(4, -1)):
            text = "\n".join(f"{value:.6f}" for value in part)
            made.writestr(f"set/train_data/S{number}-N-0.txt", text)
            made.writestr(f"set/test_data/S{number + 4}-N-0.txt", text)
    found = atml.predict(model, tmp_path / "set.zip", on_recording=counted.append)
    assert counted == list(range(1, 9))
    assert len(found.windows) == 8 and found.windows["recording"].nunique() == 8
    wanted = model.predict(signal).tolist()
    assert found.windows["decision"].tolist() == wanted * 2


def test_missing_samples_are_not_decided(model: atml.Model, signal: np.ndarray, tmp_path: Path) -> None:
    gap = signal.copy()
    gap[1300] = np.nan
    np.save(tmp_path / "gap.npy", gap)
    (row,) = atml.predict(model, tmp_path / "gap.npy").recordings.to_dict("records")
    assert (row["monitored_s"], row["undecided_s"]) == (15, 5)


def test_flat_and_saturated_stretches_are_not_decided(
    model: atml.Model, signal: np.ndarray, tmp_path: Path
) -> None:
    odd = signal.ravel()[: 4 * 1250].copy()
    odd[1300:2400] = 0.1
    odd[2600:2700] = odd.max()
    np.save(tmp_path / "odd.npy", odd)
    found = atml.predict(model, tmp_path / "odd.npy")
    assert found.windows["decision"].isna().tolist() == [False, True, True, False]
    assert found.windows["score_AF"].isna().tolist() == [False, True, True, False]
    assert found.recordings["undecided_s"].tolist() == [10.0]
    line = "of 4 windows 1 is flat (a lead is off?), 1 saturated (at the rail): they are left undecided"
    assert f"odd: {line}" in found.notes
    # Given as windows there is nothing but a class name to return: a warning.
    with pytest.warns(UserWarning, match=r"1 is flat .*, 1 saturated .*: no decision on them means anything"):
        assert len(model.predict(odd.reshape(4, 1, 1250))) == 4
    with pytest.warns(UserWarning, match="1 is flat"):
        model.predict(odd)


def test_time_without_a_signal_is_not_decided(model: atml.Model, signal: np.ndarray, tmp_path: Path) -> None:
    """A lead that is off is no rhythm: it would thin out the burden."""
    off = np.full(2500, 0.3)
    np.save(tmp_path / "off.npy", np.concatenate([signal, off]))
    (row,) = atml.predict(model, tmp_path / "off.npy").recordings.to_dict("records")
    assert (row["monitored_s"], row["undecided_s"]) == (20, 10)
    with pytest.warns(UserWarning, match="of 2 windows 2 are flat"):
        other = model.predict_recording(np.full(360 * 10, -3.0), 360)
    assert other["decision"].isna().all() and other["score_AF"].isna().all()


def test_the_command_writes_tables_and_pictures_whole(
    earlier: Path, signal: np.ndarray, tmp_path: Path
) -> None:
    kinds(tmp_path, signal)
    export = earlier / "exports/small/97-91-t0138"
    asked = ("predict", export, "array.npy", "--merge", 5, "--out", "found")
    done = run(tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    assert "array" in done.stdout and "burden" in done.stdout and "5 s or less apart are one" in done.stdout
    names = sorted(path.name for path in (tmp_path / "found").iterdir())
    assert names == ["array.html", "episodes.csv", "plotly.min.js", "recordings.csv", "windows.csv"]
    with (tmp_path / "found" / "windows.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    again = run(tmp_path, *asked)
    assert again.returncode == 2 and "found is there already and not empty" in again.stderr
    told = json.loads(run(tmp_path, "predict", export, "array.npy", "--json").stdout)
    assert told["recordings"][0]["monitored_s"] == 20
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".found")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.csv",), "no such file or folder: nothing.csv"),
        (
            ("two.csv",),
            "two.csv has 2 columns (I, II), the model takes 1 lead(s): choose with --lead",
        ),
        (("short.npy",), "nothing to decide on: short: 2 s, shorter than a window, left out"),
        (("words.txt",), "words.txt: is no table of numbers"),
        (("odd.npy",), "odd.npy can't be read as an array"),
        (("array.npy", "--class", "VF"), "no class 'VF'; the model decides other and AF"),
        (("array.npy", "--step", "0"), "step is 0.0"),
    ],
)
def test_mistakes_are_said_in_one_line(
    words: tuple[str, ...], said: str, earlier: Path, signal: np.ndarray, tmp_path: Path
) -> None:
    kinds(tmp_path, signal)
    np.save(tmp_path / "short.npy", np.zeros(500))
    (tmp_path / "words.txt").write_text("a\nb c\nd\n")
    (tmp_path / "two.csv").write_text("time,I,II\n0,1,2\n0.004,2,3\n0.008,4,5\n")
    (tmp_path / "odd.npy").write_text("no array")
    done = run(tmp_path, "predict", earlier / "exports/small/97-91-t0138", *words, "--out", "found")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "found").exists()


def test_times_below_zero_are_refused(model: atml.Model) -> None:
    with pytest.raises(InputError, match="merge is -1 s"):
        atml.predict(model, "x.npy", merge_s=-1)


def told(model: atml.Model, **fields: object) -> atml.Model:
    """The model with more known of its training."""
    return atml.Model(dataclasses.replace(model.exported, **fields))


def test_another_unit_is_told_in_a_line(model: atml.Model, signal: np.ndarray, tmp_path: Path) -> None:
    """A model of version 0.1 does not know how large its signals were, a new one does."""
    seen = amplitude(signal.reshape(-1, 1, 1250).astype(np.float32))
    knows = told(model, amplitude=seen)
    np.save(tmp_path / "microvolts.npy", signal * 1000)
    note = r"another unit\? \(the network scales each window by itself"
    with pytest.warns(UserWarning, match=note) as caught:
        decided = knows.predict(signal * 1000)
    assert [Path(one.filename).name for one in caught] == [Path(__file__).name]
    with pytest.warns(UserWarning, match=note):
        assert knows.predict_recording(signal / 1000)["decision"].tolist() == decided.tolist()
    found = atml.predict(knows, tmp_path / "microvolts.npy")
    assert sum("microvolts: signals range over" in line for line in found.notes) == 1
    # The same unit, even at a third of the size: nothing to warn of.
    for sound in (signal, signal / 3):
        knows.predict(sound)
    assert not any("unit" in line for line in atml.predict(model, tmp_path / "microvolts.npy").notes)


def test_the_rate_is_told_where_it_was_resampled(model: atml.Model, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3600))
    notes = atml.predict(model, tmp_path / "x.npy", sampling_rate=360).notes
    assert "resampled from 360 Hz to 250 Hz" in notes


def test_the_lead_of_the_training_is_taken(model: atml.Model, tmp_path: Path) -> None:
    of_v5 = told(model, lead_choice=("V5",))
    two = np.random.default_rng(0).normal(size=(2, 2500))
    np.savetxt(tmp_path / "two.csv", two.T, delimiter=",", header="II,V5", comments="")
    asked = atml.predict(model, tmp_path / "two.csv", lead="V5").windows
    assert atml.predict(of_v5, tmp_path / "two.csv").windows.equals(asked)
    np.savetxt(tmp_path / "one.csv", two[:1].T, delimiter=",", header="ECG", comments="")
    assert len(atml.predict(of_v5, tmp_path / "one.csv").windows) == 2
    write_wfdb(tmp_path / "db", range(100, 101), lead="MLII")
    with pytest.raises(DataError, match="has no lead 'V5'; its leads are 0 MLII"):
        atml.predict(of_v5, tmp_path / "db")


def test_people_that_the_model_was_trained_on_are_told(model: atml.Model, tmp_path: Path) -> None:
    write_wfdb(tmp_path / "db", range(100, 102), lead="MLII")
    knows = told(model, subjects=None, hashes=hashed(["100"], model.exported.data_fingerprint))
    (line, *_) = atml.predict(told(knows, synthetic=False), tmp_path / "db").notes
    assert line.startswith("TRAINED ON, by name: 100. ")
    by_name = told(model, subjects=("10",), synthetic=False, subjects_by=r"(\d\d)\d")
    assert atml.predict(by_name, tmp_path / "db").notes[0].startswith("TRAINED ON, by name: 10. ")
    strangers = told(model, subjects=("102",), synthetic=False)
    assert not any("TRAINED" in line for line in atml.predict(strangers, tmp_path / "db").notes)


def test_obvious_mistakes_are_told_in_one_line(model: atml.Model, tmp_path: Path) -> None:
    np.save(tmp_path / "turned.npy", np.zeros((2500, 1)))
    with pytest.raises(DataError, match=r"turned.npy has shape \(2500, 1\): give \(leads, samples\)"):
        atml.predict(model, tmp_path / "turned.npy")
    (tmp_path / "x.pdf").write_bytes(b"0       ")
    (tmp_path / "empty").mkdir()
    for name in ("x.pdf", "empty"):
        with pytest.raises(DataError, match=rf"can't read .*{name}: it holds neither a WFDB record"):
            atml.predict(model, tmp_path / name)
    np.save(tmp_path / "x.npy", np.zeros(2500))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"can't be written: .*; name another folder with --out"):
        atml.predict(model, tmp_path / "x.npy", out=tmp_path / "x.npy" / "below")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_tables_in_any_encoding(model: atml.Model, signal: np.ndarray, tmp_path: Path, encoding: str) -> None:
    lines = "\n".join(["µV", *(f"{value:.6f}" for value in signal)])
    (tmp_path / "x.csv").write_bytes(lines.encode(encoding))
    found = atml.predict(model, tmp_path / "x.csv").windows
    assert found["decision"].tolist() == model.predict(signal).tolist()


def test_a_comma_may_stand_for_the_point(model: atml.Model, signal: np.ndarray, tmp_path: Path) -> None:
    rows = "\n".join(f"{at};{value:.6f}" for at, value in enumerate(signal)).replace(".", ",")
    (tmp_path / "x.csv").write_text("row;ECG\n" + rows)
    found = atml.predict(model, tmp_path / "x.csv", lead="ECG").windows
    assert found["decision"].tolist() == model.predict(signal).tolist()
