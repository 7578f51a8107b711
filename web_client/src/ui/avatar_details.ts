// What is known about the chosen avatar: its name, where it comes from, the notes of its analysis, and deleting it.

import type { Avatar } from "../protocol.js";
import { byId } from "./dom.js";

export class AvatarDetails {
  /** Whether whoever is here may delete avatars. */
  removable = true;
  onRemove: (avatar: Avatar) => void = () => undefined;
  private readonly root = byId("details", HTMLDivElement);
  private readonly name = byId("details-name", HTMLElement);
  private readonly kind = byId("details-kind", HTMLSpanElement);
  private readonly notes = byId("details-notes", HTMLUListElement);
  private readonly remove = byId("remove", HTMLButtonElement);
  private readonly confirm = byId("confirm", HTMLDialogElement);
  private avatar: Avatar | null = null;

  constructor() {
    this.remove.addEventListener("click", () => this.ask());
    this.confirm.addEventListener("close", () => {
      if (this.confirm.returnValue === "delete" && this.avatar !== null) this.onRemove(this.avatar);
    });
  }

  show(avatar: Avatar): void {
    this.avatar = avatar;
    this.root.hidden = false;
    this.name.textContent = avatar.name;
    this.kind.textContent = `${avatar.builtin ? "Built in" : "Your photo"} · ${avatar.width} × ${avatar.height}`;
    this.remove.hidden = avatar.builtin || !this.removable;
    this.remove.setAttribute("aria-label", `Delete ${avatar.name}`);
    this.notes.replaceChildren(
      ...avatar.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
    );
  }

  private ask(): void {
    if (this.avatar === null) return;
    byId("confirm-title", HTMLHeadingElement).textContent = `Delete “${this.avatar.name}”?`;
    this.confirm.returnValue = "keep";
    this.confirm.showModal();
  }
}
