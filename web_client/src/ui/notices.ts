// One notice at a time: what is wrong, what to do, and buttons that do it; with a countdown where time helps.

import { Problem } from "../problem.js";
import { button, byId, fromTemplate, within } from "./dom.js";

export interface Action {
  readonly text: string;
  readonly run: () => void;
}

export interface Countdown {
  readonly wait_s: number;
  /** The sentence while waiting, for example "Trying again in 4 s". */
  readonly words: (left_s: number) => string;
  readonly run: () => void;
}

export class Notices {
  private readonly root = byId("notice", HTMLDivElement);
  private readonly hintRoot = byId("hint", HTMLDivElement);
  private timer = 0;
  private hintTimer = 0;

  /** Shows a problem in place of the one before. Every action, and `clear`, takes it away and stops the countdown. */
  show(problem: Problem, actions: readonly Action[], countdown: Countdown | null = null): void {
    this.clear();
    const fragment = fromTemplate("notice-template");
    within(fragment, "strong", HTMLElement).textContent = problem.message;
    within(fragment, "p", HTMLParagraphElement).textContent = problem.remedy;
    const left = within(fragment, ".countdown", HTMLParagraphElement);
    within(fragment, ".notice-actions", HTMLDivElement).append(
      ...actions.map((action, index) =>
        button(action.text, index === 0 ? "primary compact" : "secondary compact", () => {
          this.clear();
          action.run();
        }),
      ),
    );
    this.root.replaceChildren(fragment);
    this.root.dataset["code"] = problem.code;
    this.root.hidden = false;
    if (countdown !== null) this.count(left, countdown);
  }

  clear(): void {
    window.clearInterval(this.timer);
    this.root.hidden = true;
    this.root.replaceChildren();
    delete this.root.dataset["code"];
  }

  get shown(): boolean {
    return !this.root.hidden;
  }

  /** A remark that is no problem; goes away by itself, or with its action. */
  hint(sentence: string, action: Action | null, stay_s: number): void {
    window.clearTimeout(this.hintTimer);
    this.hintRoot.replaceChildren(Object.assign(document.createElement("span"), { textContent: sentence }));
    const hide = (): void => {
      this.hintRoot.hidden = true;
    };
    if (action !== null) {
      this.hintRoot.append(
        button(action.text, "text-button", () => {
          hide();
          action.run();
        }),
      );
    }
    this.hintRoot.hidden = false;
    this.hintTimer = window.setTimeout(hide, stay_s * 1000);
  }

  clearHint(): void {
    window.clearTimeout(this.hintTimer);
    this.hintRoot.hidden = true;
  }

  private count(element: HTMLElement, countdown: Countdown): void {
    const end_ms = performance.now() + countdown.wait_s * 1000;
    const tick = (): void => {
      const left_s = Math.ceil((end_ms - performance.now()) / 1000);
      element.textContent = countdown.words(Math.max(0, left_s));
      if (left_s > 0) return;
      this.clear();
      countdown.run();
    };
    tick();
    this.timer = window.setInterval(tick, 250);
  }
}
