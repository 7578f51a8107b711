// A WHIP or WHEP client made of werift: WebRTC in plain TypeScript, with packets at hand.
// Usage: node werift_client.mjs whip URL SECONDS FILE (Opus packets, base64, one a line, 20 ms each)
//        node werift_client.mjs whep URL SECONDS PICTURES SOUNDS, which ends as soon as so many packets of each have come

import { readFileSync } from "node:fs";
import { MediaStreamTrack, RTCPeerConnection, RtpHeader, RtpPacket, useOPUS, useVP8, Vp8RtpPayload } from "werift";
import { end, named, start, tell, until } from "./transmission.mjs";

const [protocol, url, seconds, ...more] = process.argv.slice(2);
const facts = { client: named("werift"), audio: 0, video: 0, keyframes: 0, lost: 0 };
const pc = new RTCPeerConnection({ iceServers: [], codecs: { audio: [useOPUS()], video: [useVP8()] } });
pc.connectionStateChange.subscribe((state) => (facts.connection ??= state === "connected" ? state : undefined));

function watch() {
  const highest = {};
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.onTrack.subscribe((track) => {
    track.onReceiveRtp.subscribe((packet) => {
      const number = packet.header.sequenceNumber;
      if (track.kind in highest) facts.lost += Math.max(0, ((number - highest[track.kind] + 65536) % 65536) - 1);
      highest[track.kind] = number;
      facts[track.kind] += 1;
      if (track.kind === "video" && Vp8RtpPayload.deSerialize(packet.payload).isKeyframe) facts.keyframes += 1;
    });
  });
}

function speak() {
  const track = new MediaStreamTrack({ kind: "audio" });
  pc.addTransceiver(track, { direction: "sendonly" });
  const packets = readFileSync(more[0], "utf8").trim().split("\n");
  let sent = 0;
  const begun = Date.now();
  return setInterval(() => {
    while (facts.connection && sent * 20 < Date.now() - begun) {
      const header = new RtpHeader({ sequenceNumber: sent % 65536, timestamp: sent * 960, payloadType: 96 });
      track.writeRtp(new RtpPacket(header, Buffer.from(packets[sent % packets.length], "base64")));
      facts.audio = ++sent;
    }
  }, 20);
}

const timer = protocol === "whip" ? speak() : watch();
const { status, address } = await start(pc, url);
facts.status = status;
const enough = () => protocol === "whep" && facts.video >= more[0] && facts.audio >= more[1];
if (await until(() => facts.connection, 15)) await until(enough, Number(seconds));
clearInterval(timer);
facts.deleted = await end(address);
await pc.close();
tell(facts);
