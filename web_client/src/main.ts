// The page: joins the client, the parts of the page and what is remembered.

import { tokenOfLink } from "./access.js";
import { assertCallsPossible } from "./audio.js";
import { CallPage } from "./call_page.js";
import { AvatarClient } from "./client.js";
import { PreferenceStore } from "./preferences.js";
import { asProblem } from "./problem.js";
import { byId } from "./ui/dom.js";

declare global {
  interface Window {
    /** For measurements; documented in web_client/README.md. */
    visavis: {
      readonly client: AvatarClient;
      stats(): ReturnType<AvatarClient["stats"]>;
      readonly timeline: AvatarClient["timeline"];
    };
  }
}

const client = new AvatarClient({ video: byId("video", HTMLVideoElement) });
window.visavis = {
  client,
  stats: () => client.stats(),
  get timeline() {
    return client.timeline;
  },
};

const page = new CallPage(client, new PreferenceStore());
try {
  assertCallsPossible();
} catch (error) {
  page.forbidCalls(asProblem(error));
}
void page.enter(tokenOfLink(location.hash));
