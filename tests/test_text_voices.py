"""Piper and flite give their phones in our symbols, at the times at which they sound."""

from __future__ import annotations

import json
import shutil
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visavis_models.errors import VisavisError
from visavis_training.speech import flite, piper, text_speakers
from visavis_training.speech.phones import PHONES, SILENCE
from visavis_training.speech.piper import Written, sounds_of

pytestmark = pytest.mark.unit
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.mark.parametrize(
    ("ipa", "given", "phones"),
    [
        ("d^ʒˈʌd^ʒ", "dʒˈʌdʒ", "ʤˈʌʤ"),
        ("bˈɑːɾə^lz", "bˈɑːɾəlz", "bˈɑɾəlz"),
        ("fˈɜːst bˈɜːd", "fˈɜːst bˈɜːd", "fˈɜɹst bˈɜɹd"),
        ("bˈʌʔn̩", "bˈʌʔn̩", "bˈʌtn"),
        ("ˈa^ɪ ɡˈo^ʊ", "ˈaɪ ɡˈoʊ", "ˈI ɡˈO"),
    ],
)
def test_sounds_are_tied_as_espeak_ties_them(ipa: str, given: str, phones: str) -> None:
    groups = sounds_of(ipa)
    assert "".join(group.given for group in groups) == given
    assert "".join(group.phones for group in groups) == phones


@needs_espeak
def test_every_sound_of_english_has_a_phone() -> None:
    text = "The vision of judge Joyce: thirty-five hours, bird, button, bottle; how oil is poured, fire, cure, rhythm!"
    marks = set(" ˈˌ,.;:!?—")
    assert {symbol for part in piper.written(text) for symbol in part.phones} - marks <= set(PHONES)


class _Session:
    """Every phoneme lasts 10 units and every filler before it 4."""

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
        ids = inputs["input"][0]
        assert inputs["duration_noise"].shape == (1, 2, len(ids))
        durations = np.where(np.arange(len(ids)) % 2, 4.0, 10.0)
        return [np.full((1, 1, 1, int(durations.sum()) * 256), 0.1, np.float32), durations[None, None]]


def test_pipers_filler_belongs_to_the_phone_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.SimpleNamespace(
        SessionOptions=types.SimpleNamespace, InferenceSession=lambda *args, **options: _Session()
    )
    monkeypatch.setattr(piper, "import_onnxruntime", lambda: library)
    monkeypatch.setattr(piper, "written", lambda text: [Written("dʒ", "ʤ"), Written("ɑː", "ɑ"), Written("m", "m")])
    letters = {letter: [number] for number, letter in enumerate("_^$dʒɑːm")}
    (tmp_path / "config.json").write_text(
        json.dumps({"audio": {"sample_rate": 25_600}, "phoneme_id_map": letters}), "utf-8"
    )
    said = piper.Piper(tmp_path).speak("Jam")
    # a unit is 10 ms here: "^" 10 of them, "_d_ʒ" and "_ɑ_ː" 28 each, "_m" 14, "_" and "$" 14
    assert [phone.symbol for phone in said.phones] == [SILENCE, "ʤ", "ɑ", "m", SILENCE]
    assert [phone.end_s for phone in said.phones] == pytest.approx([0.10, 0.38, 0.66, 0.80, 0.94])


def test_flites_phones_are_ours_and_leave_no_gap() -> None:
    phones = flite.phones_of("pau:0.22 jh:0.30 er:0.50 ow:0.7 pau:0.9 ", 1.0)
    assert [phone.symbol for phone in phones] == [SILENCE, "ʤ", "ɜ", "ɹ", "O", SILENCE]
    assert [phone.end_s for phone in phones] == pytest.approx([0.22, 0.3, 0.4, 0.5, 0.7, 1.0])


def test_an_unknown_phone_of_flite_is_named() -> None:
    with pytest.raises(ValueError, match="qq"):
        flite.phones_of("pau:0.2 qq:0.3", 0.4)


@needs_flite
@pytest.mark.parametrize("voice", flite.VOICES)
def test_flites_vowels_are_louder_than_the_closures_between_them(voice: str) -> None:
    said = flite.speak("A puppy, a copper cup, a taboo, a baker.", voice)
    assert {phone.symbol for phone in said.phones} <= set(PHONES)
    assert said.phones[-1].end_s == pytest.approx(len(said.samples) / said.rate_hz)

    def level_db(start_s: float, end_s: float) -> float:
        part = said.samples[int(start_s * said.rate_hz) : int(end_s * said.rate_hz)]
        return float(10 * np.log10(np.mean(part**2) + 1e-9))

    def middle_db(index: int, share: float) -> float:
        phone = said.phones[index]
        length_s = phone.end_s - phone.start_s
        return level_db(phone.start_s + (share - 0.15) * length_s, phone.start_s + (share + 0.15) * length_s)

    drops = [
        middle_db(i + 1, 0.5) - middle_db(i, 0.3)
        for i in range(len(said.phones) - 1)
        if said.phones[i].symbol in "ptk" and said.phones[i + 1].symbol in ("i", "ɑ", "ʌ", "A", "u", "ə", "ɜ")
    ]
    assert len(drops) >= 4
    assert np.median(drops) > 10


@needs_flite
def test_flite_is_slower_when_asked() -> None:
    slow, fast = (flite.speak("Maybe people will come back.", "slt", speed) for speed in (0.8, 1.25))
    assert len(slow.samples) / len(fast.samples) == pytest.approx(1.25 / 0.8, rel=0.08)


@pytest.mark.parametrize(("engine", "program"), [("piper", "espeak-ng"), ("flite", "flite")])
def test_a_missing_program_is_named_with_its_package(
    engine: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(VisavisError, match=f"apt-get install {program}") as raised:
        text_speakers.open_text_speaker(engine, tmp_path)
    assert raised.value.code == "program_missing"
