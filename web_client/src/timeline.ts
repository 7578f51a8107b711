// The measured facts of a call, in the names that programs read: see web_client/README.md, "For measurements".

import type { AvatarState, ServerStats } from "./protocol.js";
import type { CallStats } from "./stats.js";

/** Milliseconds after the click; null until it happened. */
export interface Timeline {
  /** The click itself, on the clock of `performance.now()`. */
  clicked_ms: number;
  /** The server has opened a session. */
  session_ms: number | null;
  /** The server has answered the offer. */
  answer_ms: number | null;
  /** Media can flow. */
  connected_ms: number | null;
  /** The first frame is on screen. */
  first_frame_ms: number | null;
}

/** What is known about the running or last call. */
export interface ClientStats {
  readonly phase: "idle" | "connecting" | "live";
  readonly state: AvatarState;
  readonly epoch: number;
  readonly first_frame_ms: number | null;
  /** Frames shown in the last second. */
  readonly fps: number;
  readonly frames_total: number;
  /** Pauses of more than 200 ms between two shown frames. */
  readonly freezes: number;
  readonly longest_gap_ms: number;
  /** One sample a second; positive: the picture is ahead of the voice. */
  readonly av_offset_ms: readonly number[];
  readonly call: CallStats | null;
  readonly server: ServerStats | null;
}

export function emptyTimeline(): Timeline {
  return { clicked_ms: 0, session_ms: null, answer_ms: null, connected_ms: null, first_frame_ms: null };
}
