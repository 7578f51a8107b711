// A page that embeds the built module, compiled against dist/avatar-client.d.ts: the shipped types must stand alone.

import { AvatarClient, Problem, type ClientStats, type Timeline } from "../dist/avatar-client.js";

export async function embed(video: HTMLVideoElement, agent: MediaStreamTrack): Promise<ClientStats> {
  const client = new AvatarClient({ video, baseUrl: "https://visavis.example/" });
  const off: () => void = client.on("state", ({ state, epoch }) => console.log(state, epoch));
  client.on("problem", ({ problem, fatal }) => console.warn(problem.code, problem.remedy, fatal));
  try {
    const [first] = await client.avatars();
    if (first !== undefined) await client.start(first.id, { voice: agent });
  } catch (error) {
    if (error instanceof Problem) console.warn(error.message);
  }
  client.mute(true);
  client.attend(true);
  client.interrupt();
  const timeline: Timeline = client.timeline;
  console.log(timeline.first_frame_ms);
  off();
  client.stop();
  return client.stats();
}
