// Picture in picture: a small window that stays on top. Where the browser can, it is a window of our own that holds
// the badge too; elsewhere it is the bare video, which is all that those browsers offer.

import { byId, within } from "./dom.js";

interface DocumentPictureInPicture {
  requestWindow(options: { width: number; height: number }): Promise<Window>;
}

const SIDE_PX = 360;

export class PictureInPicture {
  private readonly button = byId("pip", HTMLButtonElement);
  private readonly frame = byId("frame", HTMLDivElement);
  private readonly badge = byId("badge", HTMLSpanElement);
  private readonly video = byId("video", HTMLVideoElement);
  private own: Window | null = null;

  constructor() {
    const offered = "documentPictureInPicture" in window || document.pictureInPictureEnabled === true;
    this.button.hidden = !offered;
    this.button.addEventListener("click", () => void this.toggle().catch(() => undefined));
    this.video.addEventListener("enterpictureinpicture", () => this.press(true));
    this.video.addEventListener("leavepictureinpicture", () => this.press(false));
  }

  close(): void {
    this.own?.close();
    if (document.pictureInPictureElement) void document.exitPictureInPicture().catch(() => undefined);
  }

  private async toggle(): Promise<void> {
    if (this.own !== null || document.pictureInPictureElement) {
      this.close();
    } else if ("documentPictureInPicture" in window) {
      await this.openOwn(window.documentPictureInPicture as DocumentPictureInPicture);
    } else {
      await this.video.requestPictureInPicture();
    }
  }

  private async openOwn(api: DocumentPictureInPicture): Promise<void> {
    const aspect = this.frame.clientWidth / Math.max(1, this.frame.clientHeight);
    const own = await api.requestWindow({ width: Math.round(SIDE_PX * aspect), height: SIDE_PX });
    this.own = own;
    const style = own.document.createElement("link");
    style.rel = "stylesheet";
    style.href = within(document, 'link[rel="stylesheet"]', HTMLLinkElement).href;
    own.document.head.append(style);
    own.document.title = document.title;
    own.document.body.className = "pip";
    const home = this.frame.parentElement;
    const next = this.frame.nextSibling;
    const badge = this.badge.cloneNode(true) as HTMLElement;
    // The picture of the badge refers to a drawing in the page, which is another document now.
    badge.querySelector("svg")?.remove();
    own.document.body.append(this.frame, badge);
    this.press(true);
    // A video that moves between documents stops playing.
    void this.video.play().catch(() => undefined);
    own.addEventListener("pagehide", () => {
      home?.insertBefore(this.frame, next);
      this.own = null;
      this.press(false);
      if (this.video.srcObject !== null) void this.video.play().catch(() => undefined);
    });
  }

  private press(on: boolean): void {
    this.button.setAttribute("aria-pressed", String(on));
  }
}
