// Picture and voice brought together again.

import assert from "node:assert/strict";
import test from "node:test";
import { LipSync } from "../src/lip_sync.js";

/** A second's report in which each track was held for so long, mean. */
function* report(second: number, video_ms: number, audio_ms: number): Generator<Record<string, unknown>> {
  yield {
    type: "inbound-rtp", kind: "video", jitterBufferDelay: (25 * second * video_ms) / 1000, jitterBufferEmittedCount: 25 * second,
  };
  yield {
    type: "inbound-rtp", kind: "audio", jitterBufferDelay: (48_000 * second * audio_ms) / 1000,
    jitterBufferEmittedCount: 48_000 * second,
  };
}

test("small offsets, single hiccups and unknown ones change nothing", () => {
  const sync = new LipSync();
  for (const [second, offset_ms] of [0, 40, -40, 300, 20, null, -200, 10].entries()) {
    assert.deepEqual(sync.read(report(second, 30, 60), offset_ms), { video_ms: 0, audio_ms: 0 });
  }
});

test("a picture that is ahead waits for the voice, and no longer than it must", () => {
  const sync = new LipSync();
  const voice_ms = [600, 600, 600, 600, 600, 300, 100, 60, 60, 60, 60];
  let holds = { video_ms: 0, audio_ms: 0 };
  const offsets: number[] = [];
  for (const [second, audio_ms] of voice_ms.entries()) {
    const video_ms = Math.max(30, holds.video_ms);
    offsets.push(audio_ms - video_ms);
    // Totals of a report are sums: feed one that grew by this second's mean.
    holds = sync.read(sums(second, video_ms, audio_ms), audio_ms - video_ms);
  }
  assert.equal(offsets[0], 570);
  assert.ok(Math.abs(offsets[4] ?? 999) <= 60, `after four seconds ${offsets[4]} ms`);
  assert.ok(Math.abs(offsets.at(-1) ?? 999) <= 45);
  assert.equal(holds.audio_ms, 0);
  assert.ok(holds.video_ms <= 105, "the hold is let go with the cause");
});

test("a voice that is ahead waits for the picture, within bounds", () => {
  const sync = new LipSync();
  sync.read(report(0, 400, 60), -340);
  assert.deepEqual(sync.read(report(1, 400, 60), -340), { video_ms: 0, audio_ms: 298 });
  const far = new LipSync();
  far.read(report(0, 9000, 60), -9000);
  assert.equal(far.read(report(1, 9000, 60), -9000).audio_ms, 1500);
});

test("a gap that no hold closes is not chased upwards for ever", () => {
  const sync = new LipSync();
  // On a busy machine pictures are drawn 60 ms late whatever the players do, and the browser makes video follow audio.
  const holds: number[] = [];
  let audio_ms = 60;
  for (let second = 0; second < 600; second++) {
    const next = sync.read(sums(second, audio_ms, audio_ms), -60);
    audio_ms = Math.max(60, next.audio_ms);
    holds.push(next.audio_ms);
  }
  assert.ok(Math.max(...holds) <= 60 + 7 * 42, `held for ${Math.max(...holds)} ms`);
  assert.ok(Math.min(...holds.slice(300)) <= 100);
});

test("a hold goes by itself once picture and voice are together", () => {
  const sync = new LipSync();
  const holds: number[] = [];
  for (let second = 0; second < 60; second++) {
    holds.push(sync.read(sums(second, 300, 60), second < 2 ? -240 : 10).audio_ms);
  }
  assert.equal(holds[1], 228);
  assert.ok(holds.every((hold_ms, second) => second < 2 || (holds[second - 1] ?? 0) - hold_ms <= 60));
  assert.equal(holds.at(-1), 0);
});

const totals = { video: 0, audio: 0 };

function* sums(second: number, video_ms: number, audio_ms: number): Generator<Record<string, unknown>> {
  totals.video += (25 * video_ms) / 1000;
  totals.audio += (48_000 * audio_ms) / 1000;
  yield { type: "inbound-rtp", kind: "video", jitterBufferDelay: totals.video, jitterBufferEmittedCount: 25 * (second + 1) };
  yield { type: "inbound-rtp", kind: "audio", jitterBufferDelay: totals.audio, jitterBufferEmittedCount: 48_000 * (second + 1) };
}
