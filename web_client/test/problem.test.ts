// Every failure ends as a message that says what to do; and retries happen only where they help.

import assert from "node:assert/strict";
import test from "node:test";
import { meterLevel } from "../src/audio.js";
import { howToAllow, microphoneProblem } from "../src/microphone_problem.js";
import { readPreferences } from "../src/preferences.js";
import { asProblem, connectionFailed, connectionLost, Problem, problemOfAnswer, retryAfterSeconds } from "../src/problem.js";
import { planRetry } from "../src/retry.js";
import { nameFromFile, photoProblem } from "../src/ui/upload_dialog.js";

const FULL = { error: { code: "server_full", message: "All places are taken.", remedy: "Wait." } };

test("the server's own words reach the user, with the time to wait", () => {
  const problem = problemOfAnswer(503, FULL, "7");
  assert.deepEqual([problem.code, problem.message, problem.remedy, problem.retryAfter_s], ["server_full", "All places are taken.", "Wait.", 7]);
});

test("a proxy's error page is a problem with a remedy too", () => {
  assert.equal(problemOfAnswer(502, null, null).code, "server_unreachable");
  assert.equal(problemOfAnswer(413, "<html>", null).code, "photo_too_large");
  assert.equal(problemOfAnswer(418, { error: "teapot" }, null).code, "http_error");
});

test("Retry-After may be seconds or a date", () => {
  assert.equal(retryAfterSeconds("12"), 12);
  assert.equal(retryAfterSeconds("Thu, 01 Jan 2026 00:00:30 GMT", Date.UTC(2026, 0, 1)), 30);
  assert.equal(retryAfterSeconds("soon"), null);
  assert.equal(retryAfterSeconds(null), null);
});

test("each refusal of the microphone has its own code", () => {
  const code = (name: string): string => microphoneProblem(Object.assign(new Error(), { name }), "Chrome/140").code;
  assert.equal(code("NotAllowedError"), "permission_denied");
  assert.equal(code("NotFoundError"), "no_microphone");
  assert.equal(code("NotReadableError"), "microphone_busy");
  assert.equal(code("SecurityError"), "insecure_context");
  assert.equal(code("Weird"), "microphone_failed");
});

test("how to allow the microphone depends on the browser", () => {
  const agents = ["iPhone Safari/605", "Firefox/140", "Chrome/140 Safari/537", "Android Chrome/140 Mobile", "Macintosh Safari/605", "?"];
  assert.equal(new Set(agents.map(howToAllow)).size, agents.length);
});

test("a failed connection asks for a relay only where there is none", () => {
  assert.match(connectionFailed(false).remedy, /TURN/);
  assert.doesNotMatch(connectionFailed(true).remedy, /TURN/);
});

test("a full server is asked again when it said, not for ever", () => {
  assert.deepEqual(planRetry(problemOfAnswer(503, FULL, "7"), 0), { wait_s: 7 });
  assert.deepEqual(planRetry(problemOfAnswer(503, FULL, "0"), 0), { wait_s: 1 });
  assert.equal(planRetry(problemOfAnswer(503, FULL, "7"), 30), null);
});

test("a lost connection is tried again, more and more slowly, then left to the person", () => {
  const waits = Array.from({ length: 9 }, (_, attempt) => planRetry(connectionLost(), attempt)?.wait_s ?? null);
  assert.deepEqual(waits, [2, 4, 8, 15, 15, 30, 30, 30, null]);
});

test("a call whose part of the server has ended goes on elsewhere at once", () => {
  const lost = new Problem("worker_lost", "", "");
  assert.deepEqual([0, 1, 2].map((attempt) => planRetry(lost, attempt)?.wait_s), [0, 0.5, 1]);
  assert.equal(planRetry(lost, 11), null);
  assert.deepEqual(planRetry(new Problem("device_full", "", "", 30), 0), { wait_s: 30 });
});

test("what the person must mend is never retried by itself", () => {
  assert.equal(planRetry(new Problem("permission_denied", "", ""), 0), null);
  assert.equal(planRetry(connectionFailed(false), 0), null);
});

test("any thrown value becomes a problem", () => {
  assert.equal(asProblem(new Error("odd")).code, "unexpected");
  assert.match(asProblem("odd").message, /odd/);
});

test("a file is looked at before it is sent", () => {
  assert.equal(photoProblem("image/png", 10, 100), null);
  assert.equal(photoProblem("", 10, 100), null);
  assert.equal(photoProblem("application/pdf", 10, 100)?.code, "not_an_image");
  assert.equal(photoProblem("image/png", 25_000_000, 20_000_000)?.code, "photo_too_large");
});

test("names come from file names", () => {
  assert.equal(nameFromFile("anna_at-the.lake.jpg"), "anna at the lake");
  assert.equal(nameFromFile(".jpg"), "My photo");
});

test("preferences of another age or hand are no trouble", () => {
  assert.equal(readPreferences(null).sound, true);
  assert.equal(readPreferences("{nonsense").sound, true);
  assert.equal(readPreferences('{"sound": false, "avatar": 7}').sound, false);
  assert.equal(readPreferences('{"sound": false, "avatar": 7}').avatar, null);
});

test("the meter is empty in silence and full at full scale", () => {
  assert.equal(meterLevel(new Float32Array(1024)), 0);
  assert.equal(meterLevel(new Float32Array(1024).fill(1)), 1);
  const speech = meterLevel(new Float32Array(1024).fill(0.05));
  assert.ok(speech > 0.4 && speech < 0.8);
});
