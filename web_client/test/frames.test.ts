// Counting frames and freezes, with made-up times.

import assert from "node:assert/strict";
import test from "node:test";
import { FrameLog } from "../src/frames.js";

function play(log: FrameLog, from: number, to: number): void {
  for (let frame = from; frame <= to; frame += 1) log.add(frame * 40, frame);
}

test("a steady stream is 25 frames per second without a freeze", () => {
  const log = new FrameLog();
  play(log, 1, 100);
  assert.equal(log.fps(4000), 25);
  assert.equal(log.total, 100);
  assert.equal(log.freezes, 0);
  assert.equal(log.first_ms, 40);
});

test("frames that were shown without a callback count, and are no freeze", () => {
  const log = new FrameLog();
  play(log, 1, 50);
  log.add(60 * 40, 60);
  assert.equal(log.total, 60);
  assert.equal(log.freezes, 0);
});

test("a pause of more than 200 ms is one freeze", () => {
  const log = new FrameLog();
  log.add(0, 1);
  log.add(200, 2);
  assert.equal(log.freezes, 0);
  log.add(401, 3);
  assert.equal(log.freezes, 1);
  assert.equal(log.longest_gap_ms, 201);
});

test("a hidden page is no freeze", () => {
  const log = new FrameLog();
  play(log, 1, 10);
  log.pause();
  log.add(60_000, 1500);
  assert.equal(log.freezes, 0);
});

test("the rate falls to zero when the picture stands still", () => {
  const log = new FrameLog();
  play(log, 1, 50);
  assert.equal(log.fps(2500), 13);
  assert.equal(log.fps(3001), 0);
});

test("an element that showed an earlier call starts again at one", () => {
  const log = new FrameLog();
  log.add(0, 901);
  log.add(40, 902);
  assert.equal(log.total, 2);
});
