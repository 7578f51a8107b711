// The gallery: one tile per avatar, one of them chosen. A radio group, so arrow keys move the choice.

import type { Avatar } from "../protocol.js";
import { byId, fromTemplate, within } from "./dom.js";

export class Gallery {
  onSelect: (avatar: Avatar) => void = () => undefined;
  private readonly root = byId("gallery", HTMLDivElement);
  private readonly list = byId("avatars", HTMLDivElement);
  private avatars: readonly Avatar[] = [];
  private chosen: string | null = null;

  constructor(private readonly url: (path: string) => string) {
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.skeleton(5);
  }

  get selected(): Avatar | null {
    return this.avatars.find((avatar) => avatar.id === this.chosen) ?? null;
  }

  /** Shows the avatars and chooses `wanted`, or the first one when it is not among them. */
  show(avatars: readonly Avatar[], wanted: string | null): void {
    this.avatars = avatars;
    this.root.setAttribute("aria-busy", "false");
    this.list.replaceChildren(...avatars.map((avatar) => this.tile(avatar)));
    const found = avatars.find((avatar) => avatar.id === wanted) ?? avatars[0];
    this.chosen = null;
    if (found !== undefined) this.choose(found, false);
  }

  private tile(avatar: Avatar): DocumentFragment {
    const fragment = fromTemplate("tile");
    const tile = within(fragment, ".tile", HTMLButtonElement);
    tile.dataset["avatar"] = avatar.id;
    tile.title = avatar.name;
    within(fragment, ".name", HTMLSpanElement).textContent = avatar.name;
    within(fragment, "img", HTMLImageElement).src = this.url(avatar.thumbnail_url);
    tile.addEventListener("click", () => this.choose(avatar, true));
    return fragment;
  }

  private choose(avatar: Avatar, focus: boolean): void {
    const changed = avatar.id !== this.chosen;
    this.chosen = avatar.id;
    for (const tile of this.tiles()) {
      const on = tile.dataset["avatar"] === avatar.id;
      tile.setAttribute("aria-checked", String(on));
      tile.tabIndex = on ? 0 : -1;
      if (on && focus) tile.focus();
      if (on && changed) tile.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    if (changed) this.onSelect(avatar);
  }

  private onKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = this.avatars.findIndex((avatar) => avatar.id === this.chosen);
    const next = step === undefined ? undefined : this.avatars.at((at + step) % this.avatars.length);
    if (next === undefined) return;
    event.preventDefault();
    this.choose(next, true);
  }

  private tiles(): NodeListOf<HTMLButtonElement> {
    return this.list.querySelectorAll<HTMLButtonElement>("[data-avatar]");
  }

  private skeleton(count: number): void {
    const ghosts = Array.from({ length: count }, () => {
      const ghost = document.createElement("span");
      ghost.className = "tile ghost";
      ghost.append(Object.assign(document.createElement("span"), { className: "thumb" }));
      return ghost;
    });
    this.list.replaceChildren(...ghosts);
  }
}
