"""What a WHIP server got: pictures and tones on the sender's one clock, as its reports tell it."""

from __future__ import annotations

import numpy as np

from output_measures import TONE_EVERY
from rtc_loopback import Browser, read_index


def offsets_ms(browser: Browser, video_ssrc: int, audio_ssrc: int) -> list[float]:
    """Voice against pictures at every tone: positive when the voice is late."""
    zero_s = {}
    for ssrc, rate_hz in ((video_ssrc, 90_000), (audio_ssrc, 48_000)):
        report = [report for report in browser.reports if report.ssrc == ssrc][-1]
        behind = (browser.first_rtp[ssrc] - report.rtp + 2**31) % 2**32 - 2**31
        zero_s[ssrc] = report.ntp_s + behind / rate_hz
    marks = [
        zero_s[video_ssrc] + arrival.pts / 90_000
        for arrival in browser.video
        if read_index(arrival.data) % TONE_EVERY == 0
    ]
    samples = np.concatenate([np.abs(arrival.data.astype(np.int32)) for arrival in browser.audio])
    at = np.concatenate([arrival.pts / 48_000 + np.arange(len(arrival.data)) / 48_000 for arrival in browser.audio])
    where = np.flatnonzero(samples > 1500)
    onsets = [where[0]] + [where[i] for i in range(1, len(where)) if where[i] - where[i - 1] > 9600]
    found = []
    for onset in onsets:
        moment = zero_s[audio_ssrc] + at[onset]
        nearest = min(marks, key=lambda mark: abs(mark - moment))
        if abs(nearest - moment) < 0.5:
            found.append(1000 * float(moment - nearest))
    return found


def ssrcs(offer_sdp: str) -> tuple[int, int]:
    """The first SSRC of video and of audio in an offer."""
    found = {}
    for section in offer_sdp.split("m=")[1:]:
        found[section.split(" ")[0]] = int(section.partition("a=ssrc:")[2].split(" ")[0])
    return found["video"], found["audio"]
