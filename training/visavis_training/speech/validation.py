"""How good an encoder is while it is being trained, on utterances left out: the listener's work on the raw scores.

The measure that counts is `benchmarks/lips.py`; this one is quick, runs on the training device, and chooses between
networks. It never sees the test part of a corpus.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.voice.answers import CLOSURE, MOUTH, PHONE_SCORES, SPEECH
from visavis_models.voice.features import features_of
from visavis_models.voice.mouth import lip_gap
from visavis_models.voice.phones import BILABIALS, VISEME_OF_PHONE
from visavis_training.speech.coarticulation import held, mouth_curves
from visavis_training.speech.labels import labels_of, loudness_of
from visavis_training.speech.network import SpeechEncoder
from visavis_training.speech.phones import OPEN_VOWELS, Phone


class Validation:
    """Features and truth of some utterances, ready on a device."""

    def __init__(self, spoken: Sequence[tuple[NDArray[np.int16], list[Phone]]], device: str) -> None:
        self.features: list[torch.Tensor] = []
        self.phones = [phones for _, phones in spoken]
        self.gaps, self.visemes, self.speech = [], [], []
        for samples, phones in spoken:
            wave = samples.astype(np.float32) / np.float32(32768)
            frames = len(wave) // 640
            padded = np.concatenate([wave, np.zeros(640 * 4, np.float32)])
            self.features.append(torch.from_numpy(features_of(padded)[: 4 * (frames + 3)]).to(device))
            gap = lip_gap(mouth_curves(phones, len(wave) / 16_000, loudness_of(wave)))
            visemes, speech = labels_of(phones, frames)
            self.gaps.append(gap[:frames])
            self.visemes.append(visemes)
            self.speech.append(speech)

    def measure(self, model: SpeechEncoder) -> dict[str, float]:
        """Viseme F1, closure recall, false closures, aperture correlation, share of frames misjudged."""
        delay = model.parameters_of.lookahead_chunks
        table = np.zeros((VISEME_OF_PHONE.shape[1], 3))
        corr, closed, opened, wrong = [], [], [], []
        longest = max(len(f) for f in self.features)
        scores_of: list[NDArray[np.float32]] = []
        with torch.no_grad():
            for first in range(0, len(self.features), 64):
                some = self.features[first : first + 64]
                batch = torch.stack([torch.nn.functional.pad(f, (0, 0, 0, longest - len(f))) for f in some])
                scores, _ = model(batch, torch.zeros(len(batch), model.state_size, device=batch.device))
                scores_of += list(scores.float().cpu().numpy())
        for scores, phones, gap, visemes, speech in zip(
            scores_of, self.phones, self.gaps, self.visemes, self.speech, strict=True
        ):
            heard = scores[delay : delay + len(gap)]
            posterior = np.exp(heard[:, PHONE_SCORES] - heard[:, PHONE_SCORES].max(axis=1, keepdims=True))
            said = (posterior @ VISEME_OF_PHONE).argmax(axis=1)
            for viseme in range(len(table)):
                hit, true = said == viseme, visemes == viseme
                table[viseme] += np.sum(hit & true), hit.sum(), true.sum()
            shown = lip_gap(np.clip(heard[:, MOUTH], 0, 1))
            wrong.append(np.mean((heard[:, SPEECH] > 0) != (speech > 0.5)))
            if gap.std() > 0 and shown.std() > 0:
                corr.append(np.corrcoef(gap, shown)[0, 1])
            middles = (np.arange(len(gap)) + 0.5) / 25
            shut = (heard[:, CLOSURE] > -0.85) | (shown < 0.04)
            for phone in phones:
                if phone.symbol in BILABIALS:
                    start, end = held(phone)
                    near = (middles >= start - 0.02) & (middles <= end + 0.02)
                    if near.any():
                        closed.append(bool(shut[near].any()))
                elif phone.symbol in OPEN_VOWELS:
                    inside = (middles >= phone.start_s) & (middles < phone.end_s)
                    if inside.any():
                        opened.append(bool(shut[inside].all()))
        present = table[1:, 2] > 0
        f1 = 2 * table[1:, 0] / np.maximum(table[1:, 1] + table[1:, 2], 1)
        return {
            "viseme_f1": float(f1[present].mean()),
            "closure_recall": float(np.mean(closed)),
            "false_closures": float(np.mean(opened)) if opened else 0.0,
            "aperture_corr": float(np.mean(corr)),
            "speech_error": float(np.mean(wrong)),
        }
