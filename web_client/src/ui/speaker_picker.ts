// Rings on the faces of a picture of several people: one of them speaks, a click lets another one. Before a call and in it.

import type { Face } from "../protocol.js";
import { announce, byId } from "./dom.js";

/** A ring's width for its face's: hair and chin are inside. */
const RING = 1.7;

export class SpeakerPicker {
  /** Somebody else was chosen here. */
  onChoose: (person: number) => void = () => undefined;
  person = 0;
  private readonly root = byId("people", HTMLDivElement);

  /** The people of another picture. */
  offer(faces: readonly Face[], person = 0): void {
    this.root.hidden = faces.length < 2;
    this.root.replaceChildren(...(this.root.hidden ? [] : faces.map((face, number) => this.ring(face, number))));
    this.show(person < faces.length ? person : 0);
  }

  /** Somebody speaks, whoever chose them. */
  show(person: number): void {
    this.person = person;
    this.rings.forEach((ring, number) => {
      ring.setAttribute("aria-checked", String(number === person));
      ring.tabIndex = number === person ? 0 : -1;
    });
  }

  private get rings(): HTMLButtonElement[] {
    return [...this.root.querySelectorAll("button")];
  }

  private ring(face: Face, number: number): HTMLButtonElement {
    const ring = document.createElement("button");
    ring.type = "button";
    ring.className = "person";
    ring.setAttribute("role", "radio");
    ring.setAttribute("aria-label", `Person ${number + 1}`);
    ring.title = "Let this person speak";
    ring.style.left = `${100 * face.x}%`;
    ring.style.top = `${100 * face.y}%`;
    ring.style.width = `${100 * RING * face.width}%`;
    ring.append(Object.assign(document.createElement("span"), { textContent: "Speaks" }));
    ring.addEventListener("click", () => this.choose(number));
    ring.addEventListener("keydown", (event) => this.onKey(event, number));
    return ring;
  }

  private onKey(event: KeyboardEvent, number: number): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const { rings } = this;
    const next = (number + step + rings.length) % rings.length;
    this.choose(next);
    rings[next]?.focus();
  }

  private choose(person: number): void {
    if (person === this.person) return;
    this.show(person);
    announce(`Person ${person + 1} speaks`);
    this.onChoose(person);
  }
}
