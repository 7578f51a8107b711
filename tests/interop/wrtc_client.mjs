// A WHIP or WHEP client made of @roamhq/wrtc: Chromium's own WebRTC library for Node, decoded pictures and sound at hand.
// Usage: node wrtc_client.mjs whip URL SECONDS
//        node wrtc_client.mjs whep URL SECONDS PICTURES SOUNDS, which ends as soon as so many of each have come

import wrtc from "@roamhq/wrtc";
import { end, named, start, tell, until } from "./transmission.mjs";

const RATE_HZ = 48000;
const [protocol, url, seconds, pictures = Infinity, sounds = Infinity] = process.argv.slice(2);
const facts = { client: named("@roamhq/wrtc"), audio: 0, video: 0, loudest: 0 };
const pc = new wrtc.RTCPeerConnection({ iceServers: [] });
pc.onconnectionstatechange = () => (facts.connection ??= pc.connectionState === "connected" ? "connected" : undefined);

function watch() {
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.ontrack = ({ track }) => {
    if (track.kind === "video") {
      new wrtc.nonstandard.RTCVideoSink(track).onframe = ({ frame }) => {
        facts.video += 1;
        Object.assign(facts, { width: frame.width, height: frame.height });
      };
    } else {
      new wrtc.nonstandard.RTCAudioSink(track).ondata = ({ samples }) => {
        facts.audio += 1;
        for (const sample of samples) facts.loudest = Math.max(facts.loudest, Math.abs(sample));
      };
    }
  };
}

function speak() {
  const source = new wrtc.nonstandard.RTCAudioSource();
  const track = source.createTrack();
  pc.addTransceiver(track, { direction: "sendonly" });
  const begun = Date.now();
  return setInterval(() => {
    while (facts.audio * 10 < Date.now() - begun) {
      const samples = new Int16Array(RATE_HZ / 100);
      const first = facts.audio * samples.length;
      samples.forEach((_, i) => (samples[i] = 12000 * Math.sin((2 * Math.PI * 300 * (first + i)) / RATE_HZ)));
      source.onData({ samples, sampleRate: RATE_HZ, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
      facts.audio += 1;
    }
  }, 10);
}

async function codecs() {
  const stats = [...(await pc.getStats()).values()];
  const used = stats.filter((entry) => /bound-rtp$/.test(entry.type) && entry.codecId);
  return [...new Set(used.map((entry) => stats.find((other) => other.id === entry.codecId)?.mimeType))].sort();
}

const timer = protocol === "whip" ? speak() : watch();
const { status, address } = await start(pc, url);
facts.status = status;
const enough = () => protocol === "whep" && facts.video >= pictures && facts.audio >= sounds;
if (await until(() => facts.connection, 15)) await until(enough, Number(seconds));
facts.codecs = await codecs();
clearInterval(timer);
facts.deleted = await end(address);
pc.close();
tell(facts);
