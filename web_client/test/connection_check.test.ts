// What ICE found decides what a person is told; and a report for whoever helps holds no addresses or passwords.

import assert from "node:assert/strict";
import test from "node:test";
import { report, verdict, waysInWords, type Finding, type Outcome, type Row } from "../src/connection_check.js";
import { whyNoWay, type FoundWay, type IceFindings } from "../src/ice_evidence.js";
import { microphoneProblem } from "../src/microphone_problem.js";
import { Problem } from "../src/problem.js";
import { planRetry } from "../src/retry.js";

const HOST: FoundWay = { type: "host", protocol: "udp", relay_protocol: null };
const HOST_TCP: FoundWay = { type: "host", protocol: "tcp", relay_protocol: null };
const RELAY: FoundWay = { type: "relay", protocol: "udp", relay_protocol: "tcp" };
const STUN = [{ urls: ["stun:s.example"] }];
const TURN = [{ urls: ["stun:s.example", "turn:t.example"], username: "u", credential: "c" }];

function found(ways: FoundWay[], ...codes: number[]): IceFindings {
  return { ways, failures: codes.map((code) => ({ url: "turn:t.example?transport=udp", code, text: "" })) };
}

test("without a relay, what is blocked is UDP, or the browser lets nothing out", () => {
  assert.equal(whyNoWay(found([HOST]), []).code, "udp_blocked");
  assert.equal(whyNoWay(found([HOST_TCP]), STUN).code, "udp_blocked");
  assert.equal(whyNoWay(found([]), STUN).code, "calls_forbidden");
});

test("with a relay, it is silent, refuses, or does not reach the server", () => {
  assert.equal(whyNoWay(found([HOST], 701), TURN).code, "turn_unreachable");
  assert.equal(whyNoWay(found([]), TURN).code, "turn_unreachable");
  assert.equal(whyNoWay(found([HOST], 701, 401), TURN).code, "turn_refused");
  assert.equal(whyNoWay(found([HOST, RELAY], 701), TURN).code, "relay_blocked");
  const stunRefuses = { ways: [HOST], failures: [{ url: "stun:s.example", code: 400, text: "" }] };
  assert.equal(whyNoWay(stunRefuses, TURN).code, "turn_unreachable");
});

test("every one of them says what to do", () => {
  const problems = [whyNoWay(found([HOST]), []), whyNoWay(found([]), []), whyNoWay(found([]), TURN), whyNoWay(found([], 401), TURN), whyNoWay(found([RELAY]), TURN)];
  assert.equal(new Set(problems.map(({ code }) => code)).size, 5);
  for (const { message, remedy, code } of problems) {
    assert.ok(message.length > 20 && remedy.length > 40);
    assert.equal(planRetry(new Problem(code, message, remedy), 0), null);
  }
});

test("a server without a free port is asked again", () => {
  assert.deepEqual(planRetry(new Problem("ports_exhausted", "", "", 30), 0), { wait_s: 30 });
});

test("a refused microphone: by the person, by nobody, by the system", () => {
  const refused = (words: string, permission: "granted" | "denied" | "prompt" | "unknown"): string =>
    microphoneProblem(Object.assign(new Error(words), { name: "NotAllowedError" }), "Chrome/140", permission).code;
  assert.equal(refused("Permission denied", "denied"), "permission_denied");
  assert.equal(refused("Permission denied", "unknown"), "permission_denied");
  assert.equal(refused("Permission dismissed", "prompt"), "permission_dismissed");
  assert.equal(refused("Permission dismissed", "unknown"), "permission_dismissed");
  assert.equal(refused("Permission denied by system", "denied"), "permission_denied_by_system");
  assert.equal(refused("Permission denied", "granted"), "permission_denied_by_system");
});

function row(id: string, outcome: Outcome, code: string | null = null): Row {
  const finding: Finding = { outcome, words: `${id} words`, remedy: code && "do this", code, detail: null };
  return { id, title: id, finding };
}

test("the first failure decides, then the first warning; a relay that works is enough", () => {
  assert.equal(verdict([row("secure", "ok"), row("relay", "skipped")]), null);
  assert.equal(verdict([row("server", "warning", "server_full"), row("direct", "failed", "udp_blocked")])?.code, "udp_blocked");
  assert.equal(verdict([row("server", "warning", "server_full"), row("direct", "ok")])?.code, "server_full");
  assert.equal(verdict([row("direct", "warning", "udp_blocked"), row("relay", "ok")]), null);
  assert.equal(verdict([row("direct", "warning", "udp_blocked"), row("relay", "failed", "turn_refused")])?.code, "turn_refused");
});

test("the report can be read and tells no secrets", () => {
  const findings = { ways: [HOST, RELAY], failures: [{ url: "turn:t.example", code: 401, text: "Unauthorized" }] };
  const detail = waysInWords(findings);
  assert.equal(detail, "found host udp, relay over tcp; turn:t.example 401 Unauthorized");
  const failed = row("relay", "failed", "turn_refused");
  const text = report([row("secure", "ok"), { ...failed, finding: { ...failed.finding, detail } }], "http://x/", "Browser/1", new Date(0));
  assert.match(text, /1970-01-01/);
  assert.match(text, /FAILED {2}relay: relay words \[turn_refused\]\n +found host udp/);
  assert.equal(waysInWords({ ways: [], failures: [] }), "found nothing");
});
