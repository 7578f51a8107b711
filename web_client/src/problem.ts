// Everything that can go wrong, as one shape: a stable code, what happened, and what to do about it.
// The server sends its own (same shape); those that only a browser can notice are written here.

import { ProtocolError, readErrorBody, type ErrorBody } from "./protocol.js";

/** An error for people. `code` is stable; `retryAfter_s` is set when the server said when to come back. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly code: string,
    message: string,
    readonly remedy: string,
    readonly retryAfter_s: number | null = null,
  ) {
    super(message);
  }

  static from(body: ErrorBody, retryAfter_s: number | null = null): Problem {
    return new Problem(body.code, body.message, body.remedy, retryAfter_s);
  }
}

/** Any thrown value as a Problem: nothing that reaches a user is a bare stack trace. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ProtocolError) {
    return new Problem(
      "bad_answer",
      "The server sent something this page does not understand.",
      "The page may be older than the server: reload it. If that does not help, restart the server.",
    );
  }
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem("unexpected", `Something went wrong: ${detail}`, "Try again; reload the page if it happens twice.");
}

/** Reads an error answer of the HTTP API, whatever its body turns out to be. */
export function problemOfAnswer(status: number, body: unknown, retryAfter: string | null): Problem {
  const seconds = retryAfterSeconds(retryAfter);
  const wrapped = typeof body === "object" && body !== null ? (body as { error?: unknown }).error : undefined;
  if (wrapped !== undefined) {
    try {
      return Problem.from(readErrorBody(wrapped), seconds);
    } catch {
      // An error without our shape comes from a proxy in between: said below by its status.
    }
  }
  if (status === 413) {
    return new Problem("photo_too_large", "The photo is too large for this server.", "Use a smaller photo or a JPEG.");
  }
  if (status === 502 || status === 503 || status === 504) return unreachable(seconds);
  return new Problem("http_error", `The server answered with status ${status}.`, "Try again in a moment.", seconds);
}

/** `Retry-After` as seconds from now; it may be a number of seconds or an HTTP date. */
export function retryAfterSeconds(value: string | null, now_ms: number = Date.now()): number | null {
  if (value === null || value.trim() === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const date_ms = Date.parse(value);
  return Number.isNaN(date_ms) ? null : Math.max(0, Math.ceil((date_ms - now_ms) / 1000));
}

export function unreachable(retryAfter_s: number | null = null): Problem {
  return new Problem(
    "server_unreachable",
    "The server cannot be reached.",
    "Check that it is running and that this device is on the same network.",
    retryAfter_s,
  );
}

export function insecureContext(): Problem {
  return new Problem(
    "insecure_context",
    "The microphone needs a secure connection.",
    "Browsers hand out the microphone only over HTTPS or on localhost. Open this page with https:// or, on the " +
      "server's own machine, as http://localhost.",
  );
}

export function unsupportedBrowser(): Problem {
  return new Problem(
    "unsupported_browser",
    "This browser cannot make video calls.",
    "Use a current Chrome, Edge, Firefox or Safari, and check that WebRTC is not switched off by a setting or extension.",
  );
}

export function connectionFailed(hadTurn: boolean): Problem {
  return new Problem(
    "connection_failed",
    "The picture and sound could not get through.",
    hadTurn
      ? "A firewall or VPN blocks the call, even through the relay. Try another network or switch the VPN off."
      : "A firewall, VPN or router blocks UDP between this device and the server. Try the same network as the server, " +
        "switch the VPN off, or ask the operator to set up a TURN relay.",
  );
}

export function connectionLost(): Problem {
  return new Problem("connection_lost", "The connection to the server was lost.", "Reconnecting starts the call anew.");
}
