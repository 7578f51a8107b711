// What is wrong, for whoever set the source up: shown with debug=1, and never else. Also keeps the list of problems.

import type { Problem } from "../problem.js";

const KEPT = 6;

export interface Fact {
  readonly name: string;
  readonly value: string;
}

export class DebugBox {
  readonly problems: { readonly at: string; readonly code: string; readonly text: string }[] = [];

  constructor(private readonly element: HTMLElement, private readonly on: boolean) {
    element.hidden = !on;
  }

  note(problem: Problem): void {
    const text = `${problem.message} ${problem.remedy}`;
    console.warn(`visavis: ${problem.code}: ${text}`);
    const last = this.problems[this.problems.length - 1];
    // The same one again and again, for hours, says no more than once.
    if (last !== undefined && last.code === problem.code && last.text === text) this.problems.pop();
    this.problems.push({ at: new Date().toLocaleTimeString(), code: problem.code, text });
    if (this.problems.length > KEPT) this.problems.shift();
  }

  show(facts: readonly Fact[]): void {
    if (!this.on) return;
    const lines = facts.map((fact) => `${fact.name.padEnd(12)} ${fact.value}`);
    const problems = this.problems.map((problem) => `${problem.at} ${problem.code}: ${problem.text}`);
    this.element.textContent = [...lines, ...problems].join("\n");
  }
}
