// The stage: the chosen picture, and the video that fades in over exactly the same place when it starts.

import type { Avatar } from "../protocol.js";
import { byId } from "./dom.js";

interface Shape {
  readonly width: number;
  readonly height: number;
}

export class Stage {
  readonly root = byId("stage", HTMLElement);
  readonly video = byId("video", HTMLVideoElement);
  private readonly frame = byId("frame", HTMLDivElement);
  private readonly portrait = byId("portrait", HTMLImageElement);
  private readonly backdrop = byId("backdrop", HTMLCanvasElement);

  private shape: Shape = { width: 1, height: 1 };

  constructor(private readonly url: (path: string) => string) {
    this.portrait.addEventListener("load", () => this.paintBackdrop());
  }

  show(avatar: Avatar): void {
    this.shape = { width: avatar.width, height: avatar.height };
    this.fit(this.shape);
    this.portrait.alt = `Photo of ${avatar.name}`;
    this.portrait.src = this.url(avatar.image_url);
    this.portrait.hidden = false;
  }

  /** The first frame is there: fade from the still picture to it, which the server may have cut to another shape. */
  reveal(shape: Shape): void {
    this.fit(shape);
    this.frame.classList.add("live");
  }

  conceal(): void {
    this.frame.classList.remove("live");
    this.fit(this.shape);
  }

  private fit({ width, height }: Shape): void {
    this.frame.style.setProperty("--aspect", String(width / height));
  }

  /** A few blurred pixels of the portrait fill the room beside it: free to draw, unlike a filter over live video. */
  private paintBackdrop(): void {
    const context = this.backdrop.getContext("2d");
    if (context === null) return;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.portrait, 0, 0, this.backdrop.width, this.backdrop.height);
  }
}
