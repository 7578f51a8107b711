"""A WHIP or WHEP client made of GStreamer's webrtcbin; run by the system's Python, which has GStreamer's bindings.

Usage: gstreamer_client.py whip|whep URL SECONDS (counted from the connection). Prints one line of JSON: what was
negotiated, and what came.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # type: ignore[import-not-found]  # noqa: E402

GIVE_UP_S = 40
SPEAK = (
    "audiotestsrc is-live=true wave=sine freq=300 volume=0.5 ! audio/x-raw,rate=48000,channels=2 ! audioconvert ! "
    "opusenc ! rtpopuspay pt=111 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,"
    "encoding-params=(string)2 ! peer. "
    "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=15/1 ! vp8enc deadline=1 ! "
    "rtpvp8pay pt=96 ! application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000 ! peer."
)


class Client:
    """One connection."""

    def __init__(self, protocol: str, url: str, seconds: float) -> None:
        self.url = url
        self.protocol = protocol
        self.counts: dict[str, int] = {}
        self.address = ""
        self.facts: dict[str, Any] = {"gstreamer": Gst.version_string()}
        elements = SPEAK if protocol == "whip" else ""
        self.pipeline = Gst.parse_launch(f"webrtcbin name=peer bundle-policy=max-bundle {elements} fakesrc ! fakesink")
        self.peer = self.pipeline.get_by_name("peer")
        self.loop = GLib.MainLoop()
        self.offered = False
        self.peer.connect("notify::ice-gathering-state", self.on_gathering)
        self.peer.connect("notify::connection-state", self.on_connection)
        self.peer.connect("pad-added", self.on_pad)
        if protocol == "whep":
            for caps in (
                "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,"
                "encoding-params=(string)2",
                "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000,"
                "rtcp-fb-nack-pli=(boolean)true",
            ):
                direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.peer.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
        self.peer.connect("on-negotiation-needed", self.on_needed)
        self.seconds = seconds
        GLib.timeout_add(GIVE_UP_S * 1000, self.finish)

    def run(self) -> None:
        """Until the time is over."""
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self.facts["packets"] = self.counts
        print(json.dumps(self.facts), flush=True)

    def on_needed(self, _: Any) -> None:
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer, None))

    def on_offer(self, promise: Any, _: Any) -> None:
        promise.wait()
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.peer.emit("set-local-description", offer, Gst.Promise.new())

    def on_gathering(self, *_: Any) -> None:
        if self.peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self) -> bool:
        if self.offered:
            return False
        self.offered = True
        body = self.peer.get_property("local-description").sdp.as_text().encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/sdp"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                self.address = response.headers["Location"]
                self.facts["status"] = response.status
                answer = response.read().decode()
        except urllib.error.HTTPError as error:
            self.facts["status"], self.facts["error"] = error.code, error.read().decode()
            self.facts["offer"] = body.decode()
            self.loop.quit()
            return False
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def on_connection(self, *_: Any) -> None:
        self.facts["connection"] = self.peer.get_property("connection-state").value_nick
        if self.facts["connection"] == "connected":
            GLib.timeout_add(int(self.seconds * 1000), self.finish)

    def on_pad(self, _: Any, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        media = pad.get_current_caps().get_structure(0).get_string("media")
        chain = "rtpvp8depay ! vp8dec" if media == "video" else "rtpopusdepay ! opusdec"
        sink = Gst.parse_bin_from_description(
            f"queue ! {chain} ! fakesink name=end sync=false signal-handoffs=true", True
        )
        sink.get_by_name("end").connect("handoff", self.on_decoded, media)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def on_decoded(self, _: Any, __: Any, ___: Any, media: str) -> None:
        self.counts[media] = self.counts.get(media, 0) + 1

    def finish(self) -> bool:
        if self.address:
            url = urllib.request.urlopen  # the address is a path of the same server
            base = self.url.split("/", 3)
            request = urllib.request.Request("/".join(base[:3]) + self.address, method="DELETE")
            with url(request, timeout=10) as response:
                self.facts["deleted"] = response.status
        self.pipeline.set_state(Gst.State.NULL)
        self.loop.quit()
        return False


if __name__ == "__main__":
    Gst.init(None)
    Client(sys.argv[1], sys.argv[2], float(sys.argv[3])).run()
