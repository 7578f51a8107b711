// How long to wait before the next try, for ever: a source in OBS has nobody who presses a button. Pure.

import type { Problem } from "../problem.js";

const WAITS_S = [0.5, 1, 2, 4, 8, 10];
/** Nothing runs under that name yet: it may begin at any moment. */
const NOT_YET = new Set(["no_such_session", "name_taken"]);
/** A part of the server has ended, and its sessions go on at others: a viewer is to be there when its session is. */
const MOVED_WAITS_S = [0.1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1];
/** Somebody must change something first; look again all the same. */
const STUCK = new Set(["no_such_avatar", "unauthorized", "nothing_to_show", "unsupported_browser", "origin_refused", "host_refused"]);

/**
 * Seconds until the next try. `attempt` counts those since pictures last came, from 0; `chance` is 0..1, so that a
 * hundred sources do not come back to a restarted server in the same instant. `moved`: pictures were lost because a
 * part of the server has ended.
 */
export function nextTry_s(problem: Problem, attempt: number, chance: number, moved = false): number {
  const usual = WAITS_S[Math.min(attempt, WAITS_S.length - 1)] ?? 10;
  const soon = moved && !STUCK.has(problem.code) ? MOVED_WAITS_S[attempt] : undefined;
  const wait_s = soon !== undefined ? soon : STUCK.has(problem.code) ? 10 : NOT_YET.has(problem.code) ? 2 : usual;
  return Math.max(wait_s * (0.8 + 0.4 * chance), Math.min(30, problem.retryAfter_s ?? 0));
}
