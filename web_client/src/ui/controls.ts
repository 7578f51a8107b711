// The buttons of a call and their keys. Toggles keep their own state and tell it; what it means is decided elsewhere.

import { byId } from "./dom.js";

export type Toggle = "mute" | "attend" | "speaker" | "stats" | "mood";

/** One key each, without a modifier, while no field or dialog has the focus. */
const KEYS: Readonly<Record<string, string>> = {
  m: "mute",
  i: "interrupt",
  l: "attend",
  a: "speaker",
  s: "stats",
  e: "mood",
  p: "pip",
  f: "fullscreen",
};

export class Controls {
  onToggle: (toggle: Toggle, on: boolean) => void = () => undefined;
  onInterrupt: () => void = () => undefined;
  private readonly fullscreen = byId("fullscreen", HTMLButtonElement);

  constructor(private readonly stage: HTMLElement) {
    for (const toggle of ["mute", "attend", "speaker", "stats", "mood"] as const) {
      const element = byId(toggle, HTMLButtonElement);
      element.addEventListener("click", () => {
        const on = element.getAttribute("aria-pressed") !== "true";
        this.set(toggle, on);
        this.onToggle(toggle, on);
      });
    }
    byId("interrupt", HTMLButtonElement).addEventListener("click", () => this.onInterrupt());
    this.setUpFullscreen();
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  set(toggle: Toggle, on: boolean): void {
    byId(toggle, HTMLButtonElement).setAttribute("aria-pressed", String(on));
    if (toggle === "mute") byId("mute-label", HTMLSpanElement).textContent = on ? "Muted" : "Mute";
    if (toggle === "speaker") byId("speaker-label", HTMLSpanElement).textContent = on ? "Sound" : "No sound";
  }

  /** The voice's level 0..1, drawn around the microphone button. */
  level(level: number): void {
    byId("mute", HTMLButtonElement).style.setProperty("--level", level.toFixed(2));
  }

  private setUpFullscreen(): void {
    this.fullscreen.hidden = !document.fullscreenEnabled;
    this.fullscreen.addEventListener("click", () => {
      // The stage, not the video: badge and controls stay in sight.
      const change = document.fullscreenElement === null ? this.stage.requestFullscreen() : document.exitFullscreen();
      void change.catch(() => undefined);
    });
    document.addEventListener("fullscreenchange", () => {
      this.fullscreen.setAttribute("aria-pressed", String(document.fullscreenElement !== null));
    });
  }

  private onKey(event: KeyboardEvent): void {
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea, dialog") !== null;
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const id = KEYS[event.key.toLowerCase()];
    const target = id === undefined ? null : byId(id, HTMLButtonElement);
    // Hidden buttons (before a call) do not answer to their keys.
    if (target !== null && target.offsetParent !== null) target.click();
  }
}
