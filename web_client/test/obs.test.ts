// The OBS page: what its address asks for, how patient it is, and the sum of its delay.

import assert from "node:assert/strict";
import test from "node:test";
import { delayOf, ServerClock, shownAfter_ms, Steady } from "../src/obs/delay.js";
import { readBackground, readOptions } from "../src/obs/options.js";
import { nextTry_s } from "../src/obs/patience.js";
import { Problem } from "../src/problem.js";
import { readReport } from "../src/stats.js";

const at = (query: string): ReturnType<typeof readOptions> => readOptions(new URL(`http://localhost:8765/obs${query}`));

test("a bare avatar is transparent, fits, speaks and is heard", () => {
  const { options, problems } = at("?avatar=elena");
  assert.deepEqual(problems, []);
  assert.deepEqual(options.background, { kind: "transparent" });
  assert.deepEqual([options.fit, options.mic, options.muted, options.debug, options.hold_s], ["contain", true, false, false, 10]);
});

test("a show waits for somebody else's voice", () => {
  assert.equal(at("?avatar=elena&show=stage").options.mic, false);
  assert.equal(at("?avatar=elena&show=stage&mic=1").options.mic, true, "unless this one is asked for");
});

test("a colour may be written with its #, escaped or not, and what follows it counts", () => {
  const colour = { kind: "colour", colour: "#00ff00" };
  for (const query of ["?avatar=a&background=%2300ff00", "?avatar=a&background=00FF00", "?avatar=a&background=0f0", "?avatar=a&background=green"]) {
    assert.deepEqual(at(query).options.background, colour, query);
  }
  const raw = at("?avatar=a&background=#00ff00&muted=1&token=x");
  assert.deepEqual([raw.options.background, raw.options.muted, raw.options.token], [colour, true, "x"]);
  const hidden = at("?avatar=a&background=#token=x&muted=1");
  assert.deepEqual([hidden.options.background.kind, hidden.options.muted, hidden.options.token, hidden.problems.length], ["transparent", true, "x", 0]);
  assert.deepEqual(raw.problems, []);
});

test("an image is an http address or a path, and nothing that runs", () => {
  const here = new URL("http://localhost:8765/obs");
  assert.deepEqual(readBackground("/v1/avatars/a/image", here), { kind: "image", url: "http://localhost:8765/v1/avatars/a/image" });
  assert.deepEqual(readBackground("https://example.org/a.png", here), { kind: "image", url: "https://example.org/a.png" });
  for (const bad of ["javascript:alert(1)", "data:image/png;base64,x", "ftp://example.org/a.png", "#12", "#gggggg", "mauve"]) {
    assert.equal(readBackground(bad, here), null, bad);
  }
});

test("every slip is told, and the rest still works", () => {
  const { options, problems } = at("?avatar=a&background=%23zzz&fit=tight&hold=ever&muted=maybe&show=No+Name&colour=red");
  assert.equal(problems.length, 6);
  assert.ok(problems.every((problem) => problem.code === "bad_option" && problem.remedy.length > 10));
  assert.deepEqual([options.fit, options.hold_s, options.muted, options.show], ["contain", 10, false, null]);
  assert.equal(at("").problems[0]?.code, "nothing_to_show");
  assert.equal(at("?watch=x").options.watch, at("?session=x").options.watch);
});

test("it never gives up, waits longer each time, and not all wait equally long", () => {
  const lost = new Problem("connection_lost", "", "");
  const waits = [0, 1, 2, 3, 4, 5, 50, 5000].map((attempt) => nextTry_s(lost, attempt, 0.5));
  assert.deepEqual(waits, [0.5, 1, 2, 4, 8, 10, 10, 10]);
  assert.ok(nextTry_s(lost, 5, 0) < nextTry_s(lost, 5, 1));
  assert.equal(nextTry_s(new Problem("no_such_session", "", ""), 40, 0.5), 2);
  assert.equal(nextTry_s(new Problem("unauthorized", "", ""), 0, 0.5), 10);
  assert.equal(nextTry_s(new Problem("server_full", "", "", 20), 0, 0.5), 20);
  assert.equal(nextTry_s(new Problem("server_full", "", "", 3600), 0, 0.5), 30);
});

test("where a part of the server has ended, it looks for its session at the others at once, and often", () => {
  assert.ok(nextTry_s(new Problem("worker_lost", "", ""), 0, 1, true) < 0.15);
  const gone = new Problem("no_such_session", "", "");
  const waits = Array.from({ length: 20 }, (_, attempt) => nextTry_s(gone, attempt, 0.5, true));
  const first_s = waits.slice(0, 8).reduce((sum, wait_s) => sum + wait_s);
  assert.ok(first_s < 3 && Math.max(...waits.slice(0, 8)) <= 0.5, "whoever opens it again needs a moment");
  assert.equal(waits[19], 2);
  assert.equal(nextTry_s(new Problem("unauthorized", "", ""), 0, 0.5, true), 10);
});

test("the delay is the way in, the server, and the way out by the server's own clock", () => {
  const clock = new ServerClock();
  clock.note(1000, 1100, 5050);
  assert.equal(clock.ahead_ms, 4000);
  clock.note(2000, 2900, 9000);
  assert.equal(clock.ahead_ms, 4000, "a slow answer says less");
  assert.equal(shownAfter_ms(-3900, clock.ahead_ms), 100);
  assert.equal(shownAfter_ms(null, 4000), null);
  assert.equal(shownAfter_ms(-9000, 4000), null, "nothing is shown before it was made");
  const entries = [{ type: "inbound-rtp", kind: "video", timestamp: 1_700_000_000_090, estimatedPlayoutTimestamp: 1_700_000_000_000 + 2_208_988_800_000 }];
  const { stats } = readReport(entries, 0, null);
  assert.equal(stats.behind_ms, 90);
  const call = { ...stats, rtt_ms: 10, buffer_ms: 40 };
  assert.deepEqual(delayOf(200, 100, call), { up_ms: 25, server_ms: 200, down_ms: 100, total_ms: 325 });
  assert.deepEqual(delayOf(200, null, call).down_ms, 45, "without sender reports the player's own buffer stands in");
  assert.equal(delayOf(null, 100, call).total_ms, null);
});

test("the number to type does not jump", () => {
  const steady = new Steady();
  assert.equal(steady.middle, null);
  for (const value of [300, 310, 2000, 305, 300]) steady.add(value);
  assert.equal(steady.middle, 305);
  for (let n = 0; n < 40; n += 1) steady.add(400);
  assert.equal(steady.middle, 400);
});
