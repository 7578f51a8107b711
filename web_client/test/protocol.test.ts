// The types and readers against the fixture that the Python code is tested with too.

import assert from "node:assert/strict";
import test from "node:test";
import fixture from "../protocol.fixture.json";
import { ProtocolError, readAvatar, readConfig, readServerMessage, readSession, type ClientMessage } from "../src/protocol.js";

type Kind = ClientMessage["type"];
/** One row per message a client may send: a new type in protocol.ts does not compile until it stands here. */
const KEYS: Record<Kind, readonly string[]> = {
  offer: ["type", "sdp"],
  candidate: ["type", "candidate"],
  interrupt: ["type"],
  attend: ["type", "on"],
  mood: ["type", "emotion", "strength", "from_voice", "preset"],
  speaker: ["type", "person"],
  ping: ["type", "id"],
  bye: ["type"],
};

test("every server message of the fixture is read back unchanged", () => {
  for (const message of fixture.server) assert.deepEqual(readServerMessage(message), message);
});

test("the fixture holds every type that the server may send", () => {
  const types = new Set(fixture.server.map((message) => message.type));
  assert.deepEqual([...types].sort(), ["answer", "bye", "error", "mood", "pong", "speaker", "state", "stats"]);
});

test("the fixture holds every client message, with exactly its fields", () => {
  const seen = new Set<string>();
  for (const message of fixture.client) {
    seen.add(message.type);
    assert.deepEqual(Object.keys(message), KEYS[message.type as Kind]);
  }
  assert.deepEqual([...seen].sort(), Object.keys(KEYS).sort());
});

test("a message with a missing or wrong field is refused by name", () => {
  assert.throws(() => readServerMessage({ type: "state", state: "asleep", epoch: 0 }), /state must be one of/);
  assert.throws(() => readServerMessage({ type: "state", state: "idle" }), /epoch must be a number/);
  assert.throws(() => readServerMessage({ type: "stats", fps: "25" }), ProtocolError);
  assert.throws(() => readServerMessage({ type: "dance" }), /unknown message type/);
  assert.throws(() => readServerMessage("idle"), ProtocolError);
});

test("unknown extra fields are allowed, so that an old page survives a new server", () => {
  assert.deepEqual(readServerMessage({ type: "pong", id: 7, extra: true }), { type: "pong", id: 7 });
});

test("a config may name one ICE address as text", () => {
  const config = { version: "0.1.0", capacity: 2, max_photo_bytes: 1, ice_servers: [{ urls: "stun:a:1" }], badge: true };
  assert.deepEqual(readConfig(config).ice_servers, [{ urls: ["stun:a:1"] }]);
});

test("avatars and sessions without their fields are refused", () => {
  assert.throws(() => readAvatar({ id: "a" }), ProtocolError);
  assert.throws(() => readSession({ id: "a" }), ProtocolError);
});
