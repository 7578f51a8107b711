// The dialog that asks for a key where the server wants one: it logs this browser in and forgets the key.

import type { Access } from "../access.js";
import type { Api } from "../api.js";
import { asProblem, type Problem } from "../problem.js";
import { announce, byId } from "./dom.js";

export class AccessDialog {
  onEntered: (access: Access) => void = () => undefined;
  private readonly dialog = byId("access", HTMLDialogElement);
  private readonly form = byId("access-form", HTMLFormElement);
  private readonly key = byId("access-key", HTMLInputElement);
  private readonly send = byId("access-send", HTMLButtonElement);
  private readonly error = byId("access-error", HTMLDivElement);

  constructor(private readonly api: Api) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.enter();
    });
    // There is nothing behind it that would work.
    this.dialog.addEventListener("cancel", (event) => event.preventDefault());
  }

  /** `problem` is why what was tried before did not work; null: nothing was. */
  open(problem: Problem | null = null): void {
    this.say(problem);
    if (!this.dialog.open) this.dialog.showModal();
    this.key.focus();
  }

  private async enter(): Promise<void> {
    const key = this.key.value.trim();
    if (key === "") {
      this.key.focus();
      return;
    }
    this.send.disabled = true;
    this.send.classList.add("busy");
    try {
      const access = await this.api.logIn(key);
      this.key.value = "";
      this.dialog.close();
      announce("You are in");
      this.onEntered(access);
    } catch (error) {
      this.say(asProblem(error));
      this.key.select();
    } finally {
      this.send.disabled = false;
      this.send.classList.remove("busy");
    }
  }

  private say(problem: Problem | null): void {
    this.error.hidden = problem === null;
    this.error.textContent = problem === null ? "" : `${problem.message} ${problem.code === "unauthorized" ? "Check that all of it is there." : problem.remedy}`;
  }
}
