// How long after a word the avatar's lips show it: the number to type into OBS. Pure sums of what was measured.

import type { CallStats } from "../stats.js";

export interface Delay {
  /** On the way to the server: half the round trip, and the 20 ms of voice that a packet gathers. */
  readonly up_ms: number | null;
  /** From a chunk of voice reaching the server to its picture being published; null until somebody has spoken. */
  readonly server_ms: number | null;
  /** From a picture being published to its being shown here: encoder, network, player and decoder. */
  readonly down_ms: number | null;
  /** All of it; null until the parts are known. */
  readonly total_ms: number | null;
}

const PACKET_MS = 20;
/** The server's clock against ours, from the quickest of several questions; NTP's idea. */
export class ServerClock {
  private best_ms = Infinity;
  private offset_ms: number | null = null;

  /** We asked at `asked_ms`, had the answer at `answered_ms`, and it said `said_ms`; the first two by `Date.now()`. */
  note(asked_ms: number, answered_ms: number, said_ms: number): void {
    const took_ms = answered_ms - asked_ms;
    // An old answer counts less and less: clocks drift apart.
    this.best_ms *= 1.05;
    if (took_ms > this.best_ms) return;
    this.best_ms = Math.max(1, took_ms);
    this.offset_ms = said_ms - (asked_ms + answered_ms) / 2;
  }

  /** How far the server's clock is ahead of ours; null until it was asked. */
  get ahead_ms(): number | null {
    return this.offset_ms;
  }
}

/** How long a picture took to be shown here, from what `CallStats.behind_ms` says and by how much the clocks differ. */
export function shownAfter_ms(behind_ms: number | null, ahead_ms: number | null): number | null {
  if (behind_ms === null || ahead_ms === null) return null;
  const after_ms = behind_ms + ahead_ms;
  return after_ms >= 0 && after_ms < 30_000 ? after_ms : null;
}

/** `shown_ms` is what `shownAfter_ms` found; without it, what the player says of itself stands in. */
export function delayOf(server_ms: number | null, shown_ms: number | null, call: CallStats | null): Delay {
  const half_ms = (call?.rtt_ms ?? 0) / 2;
  const up_ms = call === null ? null : half_ms + PACKET_MS;
  const down_ms = shown_ms ?? (call?.buffer_ms == null ? null : half_ms + call.buffer_ms);
  const known = up_ms !== null && server_ms !== null && down_ms !== null;
  return { up_ms, server_ms, down_ms, total_ms: known ? up_ms + server_ms + down_ms : null };
}

/** A running middle: the number that is typed into OBS should not jump about. */
export class Steady {
  private readonly values: number[] = [];

  add(value: number): void {
    this.values.push(value);
    if (this.values.length > 31) this.values.shift();
  }

  get middle(): number | null {
    const sorted = [...this.values].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }
}
