// Why the microphone could not be opened, in words that help in the browser at hand.

import type { Permission } from "./audio.js";
import { insecureContext, Problem, unsupportedBrowser } from "./problem.js";

/**
 * What getUserMedia threw, as a Problem. `permission` is what the browser says of this page afterwards: it tells a
 * question that was closed from one that was answered "no". `userAgent` decides only the wording of the remedy.
 */
export function microphoneProblem(error: unknown, userAgent: string, permission: Permission = "unknown"): Problem {
  const name = error instanceof Error ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return refusal(error instanceof Error ? error.message : "", userAgent, permission);
    case "SecurityError":
      return insecureContext();
    case "NotFoundError":
    case "OverconstrainedError":
      return new Problem(
        "no_microphone",
        "No microphone was found.",
        "Connect one, or switch it on in the system's sound settings, then try again.",
      );
    case "NotReadableError":
    case "AbortError":
      return new Problem(
        "microphone_busy",
        "The microphone does not answer.",
        "Another program may be using it. Close that program or choose another microphone, then try again.",
      );
    case "TypeError":
      return unsupportedBrowser();
    default:
      return new Problem(
        "microphone_failed",
        "The microphone could not be opened.",
        "Unplug it and plug it in again, or choose another microphone.",
      );
  }
}

function refusal(words: string, userAgent: string, permission: Permission): Problem {
  if (permission === "granted" || /by system/i.test(words)) {
    return new Problem(
      "permission_denied_by_system",
      "Your computer does not let the browser use the microphone.",
      "Open the system's privacy settings, allow the microphone for this browser, then try again.",
    );
  }
  if (permission === "prompt" || /dismissed/i.test(words)) {
    return new Problem(
      "permission_dismissed",
      "The browser asked for the microphone and got no answer.",
      "Try again, and choose Allow when the browser asks.",
    );
  }
  return new Problem("permission_denied", "The microphone is blocked for this page.", howToAllow(userAgent));
}

/** How to take a refusal back, for the browser at hand. */
export function howToAllow(userAgent: string): string {
  const mobile = /Android|iPhone|iPad|Mobile/.test(userAgent);
  if (/iPhone|iPad/.test(userAgent)) {
    return "Tap the page-settings button in the address bar, choose Website Settings, set Microphone to Allow, then reload.";
  }
  if (/Firefox\//.test(userAgent)) {
    return "Click the crossed-out microphone at the left of the address bar, remove the block, then try again.";
  }
  if (/Chrome\/|Edg\//.test(userAgent)) {
    return mobile
      ? "Tap the icon at the left of the address, open Permissions, allow the microphone, then try again."
      : "Click the icon at the left of the address bar, switch Microphone on, then try again.";
  }
  if (/Safari\//.test(userAgent)) {
    return "Open Safari's menu, choose Settings for This Website, set Microphone to Allow, then try again.";
  }
  return "Allow the microphone in the browser's settings for this page, then try again.";
}
