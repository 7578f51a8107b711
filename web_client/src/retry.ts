// When to try again by oneself, and how long to wait: decisions only, no clocks.

import type { Problem } from "./problem.js";

/** Wait this long, then try again; or null: only the person can decide. */
export type RetryPlan = { readonly wait_s: number } | null;

const FULL_WAIT_S = 10;
const FULL_ATTEMPTS = 30;
const LOST_WAITS_S = [2, 4, 8, 15, 15, 30, 30, 30];

/** Problems that pass when somebody else hangs up. */
const FULL = new Set(["server_full", "device_full", "ports_exhausted"]);

/** The part of the server that drew this call has ended; others are there, so it goes on elsewhere at once. */
const MOVED = "worker_lost";
const MOVED_WAITS_S = [0, 0.5, 1, ...LOST_WAITS_S];

/** Problems that pass by themselves when the server or the network comes back. */
const PASSING = new Set(["connection_lost", "server_unreachable", "server_shutdown"]);

/** `attempt` counts the tries since a call last worked, from 0. */
export function planRetry(problem: Problem, attempt: number): RetryPlan {
  if (FULL.has(problem.code)) {
    if (attempt >= FULL_ATTEMPTS) return null;
    return { wait_s: Math.max(1, problem.retryAfter_s ?? FULL_WAIT_S) };
  }
  if (problem.code === MOVED) {
    const wait_s = MOVED_WAITS_S[attempt];
    return wait_s === undefined ? null : { wait_s };
  }
  if (PASSING.has(problem.code)) {
    const wait_s = LOST_WAITS_S[attempt];
    return wait_s === undefined ? null : { wait_s: Math.max(wait_s, problem.retryAfter_s ?? 0) };
  }
  return null;
}
