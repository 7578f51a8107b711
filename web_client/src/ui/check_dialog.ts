// The dialog of the connection check: runs it when it opens, shows what is found as it is found, and copies the report.

import type { Api } from "../api.js";
import { ConnectionCheck, report, verdict, type Check, type Outcome, type Row } from "../connection_check.js";
import { asProblem } from "../problem.js";
import { announce, byId, fromTemplate, within } from "./dom.js";

const COPIED_MS = 2500;
/** What the marks say, for those who do not see them. */
const SPOKEN: Readonly<Record<Outcome, string>> = { ok: ": works. ", warning: ": could be better. ", failed: ": does not work. ", skipped: ": not tried. " };

export class CheckDialog {
  /** The check lets go of what it opened; the page's own microphone, for one, may be opened again. */
  onDone: () => void = () => undefined;
  private readonly dialog = byId("check", HTMLDialogElement);
  private readonly verdictRoot = byId("check-verdict", HTMLDivElement);
  private readonly list = byId("check-list", HTMLOListElement);
  private readonly again = byId("check-again", HTMLButtonElement);
  private readonly copy = byId("check-copy", HTMLButtonElement);
  private rows: Row[] = [];
  private turn = 0;

  constructor(private readonly api: Api) {
    byId("check-close", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
    this.again.addEventListener("click", () => void this.run());
    this.copy.addEventListener("click", () => void this.copyReport());
    this.dialog.addEventListener("close", () => {
      this.turn += 1;
      this.onDone();
    });
  }

  open(): void {
    if (!this.dialog.open) this.dialog.showModal();
    void this.run();
  }

  /** What was found so far, as text without the person's addresses or passwords. */
  get report(): string {
    return report(this.rows, location.origin + location.pathname, navigator.userAgent, new Date());
  }

  private async run(): Promise<void> {
    const turn = ++this.turn;
    const check = new ConnectionCheck(this.api);
    this.rows = [];
    this.busy(true);
    const elements = check.checks.map((one) => this.row(one));
    this.list.replaceChildren(...elements);
    for (const [index, one] of check.checks.entries()) {
      const element = elements[index];
      if (element === undefined) continue;
      element.dataset["outcome"] = "running";
      const finding = await one.run().catch((error: unknown) => {
        const problem = asProblem(error);
        return { outcome: "failed", words: problem.message, remedy: problem.remedy, code: problem.code, detail: null } as const;
      });
      if (turn !== this.turn) return;
      const row: Row = { id: one.id, title: one.title, finding };
      this.rows.push(row);
      this.fill(element, row);
    }
    this.busy(false);
    this.conclude();
  }

  private row(check: Check): HTMLLIElement {
    const element = within(fromTemplate("check-row"), "li", HTMLLIElement);
    element.dataset["check"] = check.id;
    within(element, "strong", HTMLElement).textContent = check.title;
    return element;
  }

  private fill(element: HTMLLIElement, { finding }: Row): void {
    element.dataset["outcome"] = finding.outcome;
    if (finding.code !== null) element.dataset["code"] = finding.code;
    within(element, ".check-outcome", HTMLSpanElement).textContent = SPOKEN[finding.outcome];
    within(element, ".check-finding", HTMLSpanElement).textContent = finding.words;
    within(element, ".check-remedy", HTMLParagraphElement).textContent = finding.remedy ?? "";
  }

  private busy(on: boolean): void {
    this.again.disabled = on;
    this.again.classList.toggle("busy", on);
    this.copy.disabled = on;
    byId("check-again-text", HTMLSpanElement).textContent = on ? "Checking…" : "Check again";
    if (on) this.say("running", "Checking…", "This takes a few seconds. The browser may ask for the microphone.");
  }

  private conclude(): void {
    const decisive = verdict(this.rows);
    // What to do stands in the verdict: once is enough.
    const at = this.rows.findIndex((row) => row.finding === decisive);
    this.list.children[at]?.querySelector(".check-remedy")?.replaceChildren();
    if (decisive === null) {
      this.say("ok", "Everything works.", "If a call fails all the same, copy the report for whoever helps you.");
    } else if (decisive.outcome === "warning") {
      this.say("warning", `Calls work here. ${decisive.words}`, decisive.remedy ?? "");
    } else {
      this.say("failed", decisive.words, decisive.remedy ?? "");
    }
  }

  private say(outcome: string, head: string, words: string): void {
    this.verdictRoot.dataset["outcome"] = outcome;
    const strong = Object.assign(document.createElement("strong"), { textContent: head });
    const span = Object.assign(document.createElement("span"), { textContent: words });
    this.verdictRoot.replaceChildren(strong, span);
  }

  private async copyReport(): Promise<void> {
    const copied = await copyText(this.report, this.dialog);
    this.copy.textContent = copied ? "Copied" : "Not copied";
    announce(copied ? "The report is copied" : "The browser does not let this page copy");
    window.setTimeout(() => (this.copy.textContent = "Copy report"), COPIED_MS);
  }
}

/** Pages without HTTPS have no clipboard; there the old way, which needs a selection inside the open dialog, still works. */
async function copyText(text: string, dialog: HTMLDialogElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    dialog.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
