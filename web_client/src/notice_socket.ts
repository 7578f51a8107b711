// A WebSocket on which a viewer hears how the session does that it watches, and at once when it ends: media alone
// would show that only after seconds. Knows nothing of media. Closing it without a word means nothing.

import { Problem } from "./problem.js";
import { readServerMessage, type ByeReason } from "./protocol.js";

/** Proxies cut off what is silent. */
const PING_INTERVAL_MS = 20_000;

export class NoticeSocket {
  private readonly socket: WebSocket;
  private readonly timer: number;
  private complaint: Problem | null = null;

  /** `onEnd` is called at most once. */
  constructor(
    url: string,
    protocols: string[],
    private readonly onEnd: (problem: Problem) => void,
  ) {
    this.socket = new WebSocket(url, protocols);
    this.socket.addEventListener("message", this.onMessage);
    this.timer = window.setInterval(() => this.send({ type: "ping", id: 0 }), PING_INTERVAL_MS);
    this.socket.addEventListener("close", () => window.clearInterval(this.timer));
  }

  close(): void {
    window.clearInterval(this.timer);
    this.socket.removeEventListener("message", this.onMessage);
    this.socket.close();
  }

  private send(message: { type: "ping"; id: number }): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private readonly onMessage = (event: MessageEvent): void => {
    try {
      const message = readServerMessage(JSON.parse(String(event.data)));
      if (message.type === "error") this.complaint = Problem.from(message.error);
      if (message.type !== "bye") return;
      this.close();
      this.onEnd(this.complaint ?? sessionOver(message.reason));
    } catch (error) {
      console.warn("visavis:", error); // it only would have told sooner what the pictures show
    }
  };
}

/** Of somebody who watches: to begin again is the page's business, whatever the reason was. */
function sessionOver(reason: ByeReason): Problem {
  return new Problem("connection_lost", `The session has ended (${reason}).`, "The page looks for it again by itself.");
}
