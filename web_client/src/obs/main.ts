// The OBS page's beginning.

import { byId } from "../ui/dom.js";
import { readOptions } from "./options.js";
import { ObsPage, type ObsStats } from "./page.js";

declare global {
  interface Window {
    /** For measurements; documented in docs/obs.md. */
    visavisObs: { stats(): ObsStats };
  }
}

const { options, problems } = readOptions(new URL(window.location.href));
const page = new ObsPage(options, problems, byId("received", HTMLVideoElement), byId("message", HTMLParagraphElement), byId("debug", HTMLPreElement), byId("badge", HTMLSpanElement));
window.visavisObs = { stats: () => page.stats() };
void page.run();
