// Reading getStats() reports and judging a call.

import assert from "node:assert/strict";
import test from "node:test";
import { readReport } from "../src/stats.js";
import type { ClientStats } from "../src/timeline.js";
import { judge, median, rows } from "../src/ui/stats_overlay.js";

function report(second: number): Record<string, unknown>[] {
  return [
    {
      type: "inbound-rtp", kind: "video", codecId: "c1", bytesReceived: 100_000 * second, packetsReceived: 95 * second,
      packetsLost: 5 * second, framesDecoded: 25 * second, framesDropped: 0, frameWidth: 512, frameHeight: 640,
      jitter: 0.004, jitterBufferDelay: 2 * second, jitterBufferEmittedCount: 25 * second, freezeCount: 1,
      estimatedPlayoutTimestamp: 5_000_030,
    },
    {
      type: "inbound-rtp", kind: "audio", bytesReceived: 25_000 * second, packetsReceived: 100 * second, packetsLost: 0,
      estimatedPlayoutTimestamp: 5_000_010,
    },
    { type: "codec", id: "c1", mimeType: "video/VP8" },
    { type: "transport", selectedCandidatePairId: "p2" },
    { type: "candidate-pair", id: "p1", state: "succeeded", nominated: true, currentRoundTripTime: 9 },
    { type: "candidate-pair", id: "p2", currentRoundTripTime: 0.012, localCandidateId: "l1" },
    { type: "local-candidate", id: "l1", candidateType: "relay" },
  ];
}

test("rates come from the difference of two readings", () => {
  const first = readReport(report(1), 1000, null);
  const { stats } = readReport(report(2), 2000, first.totals);
  assert.equal(stats.fps, 25);
  assert.equal(stats.bitrate_kbps, 1000);
  assert.equal(stats.loss, 5 / 200);
  assert.equal(stats.buffer_ms, 80);
});

test("the pair in use is the transport's, not just any that succeeded", () => {
  const { stats } = readReport(report(1), 1000, null);
  assert.equal(stats.rtt_ms, 12);
  assert.equal(stats.relayed, true);
  assert.equal(stats.codec, "VP8");
});

test("the A/V offset is positive when the picture is ahead", () => {
  assert.equal(readReport(report(1), 1000, null).stats.av_offset_ms, 20);
});

test("there is no A/V offset before both sender reports have come", () => {
  const entries = report(1);
  delete entries[1]?.["estimatedPlayoutTimestamp"];
  assert.equal(readReport(entries, 1000, null).stats.av_offset_ms, null);
});

test("an empty report gives nulls, not zeros", () => {
  const { stats } = readReport([], 1000, null);
  assert.deepEqual([stats.fps, stats.bitrate_kbps, stats.loss, stats.rtt_ms, stats.relayed], [null, null, null, null, null]);
});

function live(change: Partial<ClientStats>): ClientStats {
  const call = readReport(report(2), 2000, { ...readReport(report(1), 1000, null).totals, lost: 10 }).stats;
  return {
    phase: "live", state: "idle", epoch: 0, first_frame_ms: 700, fps: 25, frames_total: 50, freezes: 0,
    longest_gap_ms: 50, av_offset_ms: [10, 12, 9], call, server: null, ...change,
  };
}

test("the verdict names what a viewer would notice", () => {
  assert.equal(judge(live({})).level, "good");
  assert.equal(judge(live({ fps: 10 })).level, "poor");
  assert.equal(judge(live({ av_offset_ms: [200, 210, 190] })).level, "fair");
  assert.equal(judge(live({ phase: "connecting" })).level, "unknown");
});

test("numbers that nobody has measured are dashes", () => {
  const shown = rows(live({ call: null, av_offset_ms: [] }));
  assert.equal(shown.find((row) => row.name === "Bitrate")?.value, "–");
  assert.equal(shown.find((row) => row.name === "Lips against sound")?.value, "–");
});

test("the median of nothing is nothing", () => {
  assert.equal(median([]), null);
  assert.equal(median([3, 1, 2]), 2);
});
