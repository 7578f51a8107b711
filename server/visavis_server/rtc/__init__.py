"""WebRTC: a browser's call, a microphone that comes in (WHIP), and viewers of a session (WHEP).

Knows nothing of sessions, avatars or HTTP: it takes SDP and ticks of the media clock, and hands out voice.
"""

from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.broadcast import Broadcast
from visavis_server.rtc.echo import Echo
from visavis_server.rtc.fragments import read_fragment
from visavis_server.rtc.ingest import Ingest
from visavis_server.rtc.offers import read_media_offer
from visavis_server.rtc.peer import Peer
from visavis_server.rtc.publisher import BadAnswer, NoAddressAllowed, Publisher
from visavis_server.rtc.reach import ANYWHERE, PortPool, Reach
from visavis_server.rtc.sdp import IceServer
from visavis_server.rtc.stats import PeerStats
from visavis_server.rtc.viewer import Viewer

__all__ = [
    "ANYWHERE",
    "BadAnswer",
    "BitrateLimits",
    "Broadcast",
    "Echo",
    "IceServer",
    "Ingest",
    "NoAddressAllowed",
    "Peer",
    "PeerStats",
    "PortPool",
    "Publisher",
    "Reach",
    "Viewer",
    "read_fragment",
    "read_media_offer",
]
