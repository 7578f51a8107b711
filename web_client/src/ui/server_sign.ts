// The sign in the corner that says whether the server is there, and which one it is.

import type { ServerConfig } from "../protocol.js";
import { byId } from "./dom.js";

export class ServerSign {
  private readonly root = byId("server", HTMLSpanElement);
  private readonly text = byId("server-text", HTMLSpanElement);

  reachable(config: ServerConfig): void {
    this.root.dataset["reachable"] = "yes";
    this.text.textContent = "Online";
    this.root.title = `visavis ${config.version}, ${config.capacity} ${config.capacity === 1 ? "call" : "calls"} at a time`;
  }

  unreachable(): void {
    this.root.dataset["reachable"] = "no";
    this.text.textContent = "Offline";
    this.root.title = "The server cannot be reached";
  }
}
