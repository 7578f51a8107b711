// Typed access to the elements of index.html. A missing one is a defect of the build and stops the page at once.

export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return element;
}

export function within<T extends Element>(root: ParentNode, selector: string, kind: new () => T): T {
  const element = root.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`no ${kind.name} at ${selector}`);
  return element;
}

/** A copy of what a template of index.html holds. */
export function fromTemplate(id: string): DocumentFragment {
  return byId(id, HTMLTemplateElement).content.cloneNode(true) as DocumentFragment;
}

/** Reads a sentence out to people who cannot see the page change. */
export function announce(sentence: string): void {
  byId("announcer", HTMLDivElement).textContent = sentence;
}

export function button(text: string, className: string, onClick: () => void): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.className = className;
  element.textContent = text;
  element.addEventListener("click", onClick);
  return element;
}
