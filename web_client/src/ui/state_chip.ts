// The chip that says what the avatar does, in sight and for screen readers.

import type { Phase } from "../client.js";
import type { AvatarState } from "../protocol.js";
import { announce, byId } from "./dom.js";

const WORDS = {
  ready: "Ready",
  connecting: "Connecting",
  idle: "Idle",
  listening: "Listening",
  speaking: "Speaking",
} as const;

export class StateChip {
  private readonly chip = byId("chip", HTMLSpanElement);
  private readonly text = byId("chip-text", HTMLSpanElement);
  private shown: keyof typeof WORDS = "ready";

  show(phase: Phase, state: AvatarState): void {
    const next = phase === "live" ? state : phase === "connecting" ? "connecting" : "ready";
    if (next === this.shown) return;
    // Speaking and idle alternate with every sentence: read out, that would talk over the call.
    const chatter = phase === "live" && this.shown !== "connecting" && next !== "listening";
    this.shown = next;
    this.chip.dataset["state"] = next;
    this.text.textContent = WORDS[next];
    if (!chatter) announce(next === "idle" || next === "speaking" ? "The call is running" : WORDS[next]);
  }
}
