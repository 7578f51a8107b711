"""Endless training clips, made on the GPU: crops of tracks through random rooms, microphones, noises and faults.

All that `visavis_training.speech.tracks` wrote lies on the device; a batch costs no work on the processor. Targets are
those of the clean voice at the middle of each 40 ms frame, and no effect delays the sound or drowns the voice: what is
labelled can be heard.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from visavis_models.chunk import CHUNK_SAMPLES
from visavis_models.errors import StorageError
from visavis_models.voice.features import BANDS
from visavis_training.speech.batch_effects import (
    HOP_SAMPLES,
    RATE_HZ,
    ROOM_SAMPLES,
    Dice,
    active_power,
    coloured_noise,
    drop_out,
    from_db,
    gain_courses_db,
    hop_powers,
    mask_bands,
    microphone_gains,
    per_sample,
    room_spectra,
    unit_power,
    warp_bands,
)
from visavis_training.speech.features_in_torch import BatchFeatures, fast_length, running_reference
from visavis_training.speech.track_files import FILES, NUISANCE, NUISANCE_SCALE, load
from visavis_training.speech.voice_variety import MASKED, WARPED

_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7600.0
_REST_S, _WAKE_S = 0.15, 0.08
"""How fast a mouth comes to rest when its voice is cut off, and wakes when it is let in again."""
_OTHERS_BELOW_DB = 20.0
"""Other talkers usually stay this far below the level that the features are relative to: louder ones would be heard as
the speaker. Their peaks are some 10 dB higher."""
_TALKERS = 4


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How often (probability of a clip) and how strongly clips are spoiled."""

    line: float = 0.5
    """Through a real codec (the tracks' `line`)."""
    no_speech: float = 0.15
    """Nobody speaks: noise, music, nuisance or digital silence."""
    digital_silence: float = 0.1
    """Of the clips without speech: not even noise."""
    room: float = 0.45
    microphone: float = 0.5
    telephone: float = 0.12
    narrow: float = 0.13
    """Sampled at 8 kHz."""
    noise: float = 0.7
    coloured: float = 0.35
    """Of the noises: stationary; the others are music, hum, keys, laughter and such."""
    noise_db: tuple[float, float] = (0.0, 38.0)
    """The usual level of speech, which is some 5 dB below its mean power, above noise; two thirds in the lower half."""
    others: float = 0.22
    """Other people: one talker or a babble of up to four."""
    others_db: tuple[float, float] = (-22.0, -6.0)
    """Their power against the usual level of the speaker."""
    drift: float = 0.3
    step: float = 0.12
    peak_db: tuple[float, float] = (-42.0, 6.0)
    """The clip's highest sample, of full scale; what goes beyond is clipped."""
    overdriven: float = 0.05
    """Clipped by up to 20 dB."""
    offset: float = 0.1
    """DC of up to a tenth of full scale."""
    dropouts: float = 0.04
    mute: float = 0.08
    """The voice is cut off for 0.3 to 3 s anywhere, as by a mute button or an interruption; the mouth then rests."""
    warp: float = WARPED
    masks: float = MASKED


CLEAN = Augmentation(
    **{field.name: 0.0 for field in fields(Augmentation) if not field.name.endswith("_db")},  # type: ignore[arg-type]
    peak_db=(-6.0, -6.0),
)
"""Nothing spoiled; for measuring and for looking at labels."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B clips of C chunks of 40 ms; targets are of the middle of each chunk."""

    features: Tensor
    """float32 (B, 4 C, 41)."""
    mouth: Tensor
    """float32 (B, C, 15)."""
    phone: Tensor
    """int64 (B, C), index into PHONES."""
    speech: Tensor
    """float32 (B, C), 1 where speech goes on."""
    loudness: Tensor
    """float32 (B, C), 0..1 against the speaker's usual."""
    voicing: Tensor
    """float32 (B, C), 1 where voiced."""
    log_f0: Tensor
    """float32 (B, C), natural logarithm of Hz, 0 where unvoiced."""
    wave: Tensor | None = None
    """float32 (B, 640 C), only if asked for."""


class Clips:
    """All tracks on one device, and batches of spoiled clips of them.

    Args:
        arrays: as `visavis_training.speech.track_files` says.
        device: where they shall be and batches are made.
        augmentation: how clips are spoiled.
    """

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        device: torch.device | str = "cpu",
        augmentation: Augmentation | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.augmentation = augmentation or Augmentation()
        on_device = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}
        self._sound = torch.cat([on_device.pop("wave"), on_device.pop("line")]).to(self.device)
        self._rows = {name: values.to(self.device) for name, values in on_device.items() if name in FILES}
        self._nuisance = on_device[NUISANCE].to(self.device)
        self._features = BatchFeatures(self.device)
        lowest, highest = 2595.0 * np.log10(1.0 + np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 700.0)
        mel = np.linspace(lowest, highest, BANDS + 2)[1:-1]
        self._bands_hz = torch.tensor(700.0 * (10 ** (mel / 2595.0) - 1.0), dtype=torch.float32, device=self.device)

    @classmethod
    def open(cls, folder: Path, device: torch.device | str = "cpu", augmentation: Augmentation | None = None) -> Clips:
        """Read what `visavis_training.speech.tracks` wrote; raises what `track_files.load` raises."""
        return cls(load(folder), device, augmentation)

    @property
    def seconds(self) -> float:
        """Length of all tracks."""
        return len(self._rows["phone"]) * HOP_SAMPLES / RATE_HZ

    def with_augmentation(self, **changes: float | tuple[float, float]) -> Clips:
        """The same tracks, nothing copied, spoiled otherwise: fields of `Augmentation`."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.augmentation = replace(self.augmentation, **changes)  # type: ignore[arg-type]
        return other

    def sample(
        self, batch: int, chunks: int = 200, generator: torch.Generator | None = None, *, keep_wave: bool = False
    ) -> Batch:
        """Random clips, each beginning anywhere, mid-word too, heard from silence as a call's first sound is.

        Args:
            batch: how many.
            chunks: length of each, in 40 ms.
            generator: of `device`.
            keep_wave: whether to return the sound as well.

        Raises:
            StorageError: all tracks together are shorter than a clip.
        """
        if min(len(self._sound) // 2, len(self._nuisance)) <= (chunks + 1) * CHUNK_SAMPLES:
            raise StorageError(
                "tracks_too_short",
                f"{self.seconds:.0f} s of tracks.",
                "Make tracks of a larger corpus, or shorter clips.",
            )
        dice = Dice(self.device, generator)
        starts = HOP_SAMPLES + dice.integers(len(self._sound) // 2 - (chunks + 1) * CHUNK_SAMPLES, batch)
        return self.at(starts, chunks, generator, keep_wave=keep_wave)

    def at(
        self, starts: Tensor, chunks: int, generator: torch.Generator | None = None, *, keep_wave: bool = False
    ) -> Batch:
        """Clips that begin at samples `starts`, int64 (B,), of the tracks; see `sample`."""
        dice = Dice(self.device, generator)
        with torch.no_grad():
            made = self._made(dice, starts, chunks)
        return made if keep_wave else replace(made, wave=None)

    def _made(self, dice: Dice, starts: Tensor, chunks: int) -> Batch:
        choose, clips, count = self.augmentation, len(starts), chunks * CHUNK_SAMPLES
        talks = ~dice.chance(choose.no_speech, clips)
        targets = self._targets(starts, chunks, talks)
        half = len(self._sound) // 2
        voice = self._crops(starts + half * dice.chance(choose.line, clips), count) * talks[:, None]
        voice, silenced, targets = self._mute(dice, voice, targets)
        wave = self._disturb(dice, voice, talks)
        wave = self._record(dice, wave.masked_fill(silenced, 0.0), talks)
        features = warp_bands(dice, self._features(wave), self._bands_hz, choose.warp)
        return replace(targets, features=mask_bands(dice, features, choose.masks), wave=wave)

    def _crops(self, starts: Tensor, count: int) -> Tensor:
        """float32 (B, count) of the tracks' sound."""
        return self._sound[starts[:, None] + torch.arange(count, device=self.device)].float() / 32768.0

    def _targets(self, starts: Tensor, chunks: int, talks: Tensor) -> Batch:
        """Row i of the tracks is of `(i + 0.5) * 10 ms`; chunk k's middle is `start + (k + 0.5) * 40 ms`."""
        middles = 4.0 * torch.arange(chunks, device=self.device) + 2.0
        whole = (starts - HOP_SAMPLES // 2).div(HOP_SAMPLES, rounding_mode="floor")
        rest = (starts - HOP_SAMPLES // 2 - whole * HOP_SAMPLES)[:, None] / HOP_SAMPLES
        before = whole[:, None] + middles.long()
        nearest = before + (rest >= 0.5)
        mouth = torch.lerp(
            self._rows["mouth"][before].float(), self._rows["mouth"][before + 1].float(), rest[..., None]
        )
        speaks = talks[:, None]
        found = {
            name: self._rows[name][nearest].float() * speaks for name in ("speech", "loudness", "voicing", "log_f0")
        }
        phone = self._rows["phone"][nearest].long() * speaks
        return Batch(features=mouth, mouth=mouth * speaks[..., None], phone=phone, **found)

    def _mute(self, dice: Dice, voice: Tensor, targets: Batch) -> tuple[Tensor, Tensor, Batch]:
        """Voices cut off for a while; also where the whole recording is silent, bool (B, N), and what is true then."""
        clips, count = voice.shape
        hit = dice.chance(self.augmentation.mute, clips, 1)
        begin_s = dice.uniform(0.0, count / RATE_HZ, clips, 1)
        end_s = torch.where(hit, begin_s + dice.uniform(0.3, 3.0, clips, 1), begin_s)
        samples = torch.arange(count, device=self.device) / RATE_HZ
        cut = (samples >= begin_s) & (samples < end_s)
        middles = (torch.arange(targets.phone.shape[1], device=self.device) + 0.5) * (CHUNK_SAMPLES / RATE_HZ)
        within = (middles >= begin_s) & (middles < end_s)
        falling, rising = 1.0 - (middles - begin_s) / _REST_S, (middles - end_s) / _WAKE_S
        share = torch.where(middles < end_s, falling, rising).clamp(0.0, 1.0)
        share = torch.where(hit & (middles >= begin_s), share * share * (3.0 - 2.0 * share), 1.0)
        heard = (~within).float()
        changed = replace(
            targets,
            mouth=targets.mouth * share[..., None],
            phone=targets.phone * ~within,
            speech=targets.speech * heard,
            loudness=targets.loudness * heard,
            voicing=targets.voicing * heard,
            log_f0=targets.log_f0 * heard,
        )
        return voice.masked_fill(cut, 0.0), cut & dice.chance(0.5, clips, 1), changed

    def _disturb(self, dice: Dice, voice: Tensor, talks: Tensor) -> Tensor:
        """Room, noise, other people, and the microphone that hears it all."""
        choose = self.augmentation
        clips, count = voice.shape
        power = active_power(voice)
        at = torch.arange(count, device=self.device)
        noise = self._nuisance[dice.integers(len(self._nuisance) - count, clips, 1) + at].float()
        noise = unit_power(noise / NUISANCE_SCALE)
        rows, hit = dice.few(choose.noise * choose.coloured, clips)
        if len(rows):
            noise[rows] = torch.where(hit[:, None], coloured_noise(dice, len(rows), count), noise[rows])
        lowest, highest = choose.noise_db
        above_db = lowest + (highest - lowest) * dice.uniform(0, 1, clips, 1) ** 1.6
        gain = from_db(-above_db) * power.sqrt() * dice.chance(choose.noise, clips, 1)
        alone = from_db(dice.uniform(-60, -10, clips, 1)) * ~dice.chance(choose.digital_silence, clips, 1)
        gain = torch.where(talks[:, None], gain, alone)
        onset = dice.uniform(0, count, clips, 1) * dice.chance(0.2, clips, 1)  # some noises begin later
        swell = ((at - onset) / (0.02 * RATE_HZ)).clamp(0, 1)
        noise = noise * (gain * swell)
        self._add_others(dice, noise, voice)
        size = fast_length(count + ROOM_SAMPLES)
        room = room_spectra(dice, clips, size, choose.room)
        microphone = microphone_gains(dice, clips, size, choose.microphone, choose.telephone, choose.narrow)
        spectrum = (torch.fft.rfft(voice, size) * room + torch.fft.rfft(noise, size)) * microphone
        return torch.fft.irfft(spectrum, size)[:, :count]

    def _add_others(self, dice: Dice, noise: Tensor, voice: Tensor) -> None:
        """Add other talkers to the noise, in place; never near the running level that the features are relative to."""
        choose, count = self.augmentation, voice.shape[1]
        rows, hit = dice.few(choose.others, len(voice))
        if not len(rows):
            return
        starts = dice.integers(len(self._sound) // 2 - count, len(rows) * _TALKERS)
        crops = unit_power(self._crops(starts, count)).reshape(len(rows), _TALKERS, count)
        talkers = 1 + dice.integers(_TALKERS, len(rows), 1, 1)
        talk = unit_power((crops * (torch.arange(_TALKERS, device=self.device)[:, None] < talkers)).sum(1))
        level_db = 10.0 * torch.log10(hop_powers(voice[rows]) + 1e-12)
        usual_db = 10.0 * torch.log10(active_power(voice[rows]))
        wanted_db = usual_db + dice.uniform(*choose.others_db, len(rows), 1)
        at_most_db = running_reference(level_db) - _OTHERS_BELOW_DB - 10.0 * torch.log10(active_power(talk))
        gain = from_db(torch.minimum(wanted_db, at_most_db)) * hit[:, None]
        noise[rows] += talk * per_sample(gain, count)

    def _record(self, dice: Dice, wave: Tensor, talks: Tensor) -> Tensor:
        """Gain, faults and 16 bits."""
        choose = self.augmentation
        clips, count = wave.shape
        course_db = gain_courses_db(dice, clips, count // HOP_SAMPLES, choose.drift, choose.step)
        wave = wave * per_sample(from_db(course_db), count)
        lowest, highest = choose.peak_db
        peak_db = dice.uniform(lowest, highest, clips, 1)
        peak_db = torch.where(talks[:, None], peak_db, peak_db.clamp_max(0.0) - dice.uniform(0, 20, clips, 1))
        peak_db = peak_db + (20.0 - peak_db.clamp_min(0)) * dice.uniform(0, 1, clips, 1) * (
            dice.chance(choose.overdriven, clips, 1) & (peak_db > -12.0)
        )
        wave = wave * (from_db(peak_db) / (wave.abs().amax(1, keepdim=True) + 1e-3))
        hiss_db = torch.minimum(dice.uniform(-110, -66, clips, 1), peak_db - 40.0)
        wave = wave + from_db(hiss_db) * dice.normal(clips, count) * dice.chance(choose.noise, clips, 1)
        wave = wave + dice.uniform(-0.1, 0.1, clips, 1) * dice.chance(choose.offset, clips, 1)
        wave = drop_out(dice, wave, choose.dropouts)
        return (wave * 32768.0).round().clamp(-32768, 32767) / 32768.0
