"""What an operator may choose, as one tree of frozen dataclasses with its defaults.

`settings_sources.py` builds it from file, environment and flags and checks the ranges that stand on the fields. Knows
nothing of where a value came from.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from visavis_server.access_settings import AccessSettings, LimitSettings
from visavis_server.log_settings import LogSettings
from visavis_server.machine import default_capacity as default_capacity
from visavis_server.machine import default_data_dir as default_data_dir
from visavis_server.machine import usable_cores as usable_cores
from visavis_server.port_range import PortRange
from visavis_server.provenance_settings import ProvenanceSettings
from visavis_server.setting_fields import BadSetting as BadSetting
from visavis_server.setting_fields import number as _number
from visavis_server.setting_fields import secret as _secret
from visavis_server.setting_fields import value as _value
from visavis_server.trace_settings import TraceSettings

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
WHEN_BUSY = ("degrade", "refuse")
FORMATS = ("1:1", "16:9", "9:16", "4:3", "3:4")
CANVASES = ("standard", "1080p")
RENDERERS = ("auto", "diffusion", "warp")
PICTURES = ("auto", "processor")
TLS_MODES = ("auto", "off", "self-signed")
ENGINES = ("auto", "onnxruntime", "openvino", "torch", "tensorrt", "tensorrt-rtx")
_ICE_URL = re.compile(r"(?:stuns?:[^\s?:\[\]]+(?::\d+)?|turns?:[^\s?:\[\]]+(?::\d+)?(?:\?transport=(?:udp|tcp))?)")


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server that browsers and this server use to find each other."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.urls:
            raise BadSetting("rtc.ice_servers", "has an entry without urls", "Give each entry urls = ['stun:...'].")
        for url in self.urls:
            if not _ICE_URL.fullmatch(url):
                raise BadSetting(
                    "rtc.ice_servers",
                    f"has {url!r}, which is no ICE server",
                    "Write it like stun:host:3478 or turn:host:3478?transport=tcp; an IPv6 address needs a host name.",
                )

    @property
    def relays(self) -> bool:
        """One of its addresses is a TURN server."""
        return any(url.startswith("turn") for url in self.urls)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server listens, and to whom."""

    host: str = _value("127.0.0.1", "Address to listen on; 0.0.0.0 for every network of this machine.")
    port: int = _number(8765, 0, 65535, "TCP port; 0 takes any free one.")
    workers: int = _number(1, 0, 64, "Processes that share the sessions; 0: one for each NVIDIA card.")
    tls_cert: Path | None = _value(None, "PEM file with the certificate (chain) for HTTPS.")
    tls_key: Path | None = _value(None, "PEM file with the certificate's private key.")
    tls: str = _value(
        "auto", "HTTPS, one of auto, off and self-signed; auto: where others reach it, with a certificate of its own."
    )
    trusted_proxies: tuple[str, ...] = _value(
        ("127.0.0.1", "::1"), "Addresses and networks of reverse proxies whose X-Forwarded-For is believed."
    )
    allowed_origins: tuple[str, ...] = _value((), "Other web sites whose pages may use this API.")
    allowed_hosts: tuple[str, ...] = _value(
        (), "Host names under which this server answers; empty: any, or only this machine's own on a loopback address."
    )

    def __post_init__(self) -> None:
        if not self.host:
            raise BadSetting("server.host", "is empty", "Give an address, such as 127.0.0.1.")
        for key in ("tls_cert", "tls_key"):
            path = getattr(self, key)
            if path is not None and not path.is_file():
                raise BadSetting(f"server.{key}", f"names {path}, which is not there", "Give the path of a PEM file.")
        if (self.tls_cert is None) != (self.tls_key is None):
            lacking = "tls_cert" if self.tls_cert is None else "tls_key"
            raise BadSetting(f"server.{lacking}", "is missing", "HTTPS needs both tls_cert and tls_key.")
        if self.tls not in TLS_MODES:
            raise BadSetting("server.tls", f"is {self.tls!r}", f"Choose one of {', '.join(TLS_MODES)}.")
        for network in self.trusted_proxies:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                problem = f"has {network!r}, which is no network"
                raise BadSetting("server.trusted_proxies", problem, "Write it like 172.28.7.0/24.") from error
        for origin in self.allowed_origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
                raise BadSetting(
                    "server.allowed_origins",
                    f"has {origin!r}, which is no origin",
                    "Write it like https://app.example.com, without a path and without wildcards.",
                )

    @property
    def https(self) -> bool:
        """Served over HTTPS."""
        return self.tls != "off" and (self.tls_cert is not None or self.self_signed)

    @property
    def self_signed(self) -> bool:
        """With a certificate that visavis makes."""
        return self.tls_cert is None and (self.tls == "self-signed" or (self.tls == "auto" and not self.loopback))

    @property
    def loopback(self) -> bool:
        """Reachable from this machine only."""
        return self.host in LOOPBACK_HOSTS or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How many sessions at once, and how long they live."""

    capacity: int = _number(0, 0, 1000, "Sessions at the same time; 0: chosen from the CPU cores.")
    join_timeout_s: float = _number(15.0, 1.0, 600.0, "A session nobody joins ends after this long.")
    idle_timeout_s: float = _number(1800.0, 0.0, 1e6, "A session where nobody speaks ends after this long; 0: never.")
    max_age_s: float = _number(43200.0, 0.0, 1e7, "Every session ends after this long; 0: never.")
    drain_s: float = _number(
        25.0,
        0.0,
        86400.0,
        "On SIGTERM present sessions may go on for so long; Ctrl+C, or a second SIGTERM, ends them at once.",
    )
    listening_processes: int = _number(0, 0, 64, "Processes that listen to voices; 0: the one that draws does.")
    when_busy: str = _value(
        "degrade", "When sessions ask more than the device has: degrade (all get less) or refuse (who comes last)."
    )
    least_fps: float = _number(8.0, 1.0, 25.0, "Who comes is refused rather than that all get fewer pictures a second.")

    def __post_init__(self) -> None:
        if self.when_busy not in WHEN_BUSY:
            raise BadSetting("sessions.when_busy", f"is {self.when_busy!r}", f"Choose one of {', '.join(WHEN_BUSY)}.")


@dataclass(frozen=True, slots=True)
class PhotoSettings:
    """What may be uploaded."""

    max_photo_bytes: int = _number(20 * 1024 * 1024, 10_000, 200 * 1024 * 1024, "Largest photo that may be uploaded.")
    max_waiting: int = _number(4, 0, 100, "Photos that may wait while another one is analysed.")
    max_avatars: int = _number(1000, 0, 1_000_000, "Uploaded avatars that are kept; more are refused. 0: any number.")
    canvas: str = _value(
        "standard",
        f"How large avatars' pictures may be, one of {', '.join(CANVASES)}; standard: 1024 px on the long side.",
    )

    def __post_init__(self) -> None:
        if self.canvas not in CANVASES:
            raise BadSetting("photos.canvas", f"is {self.canvas!r}", f"Choose one of {', '.join(CANVASES)}.")


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """The live picture."""

    long_side_px: int = _number(512, 128, 1920, "Long side of the live picture; never more than the avatar's own.")
    format: str = _value("", f"Shape of the live picture: {', '.join(FORMATS)}; empty: the photo's own.")

    def __post_init__(self) -> None:
        if self.format and self.format not in FORMATS:
            raise BadSetting("video.format", f"is {self.format!r}", f"Choose one of {', '.join(FORMATS)}, or none.")


@dataclass(frozen=True, slots=True)
class DrawingSettings:
    """How pictures are made."""

    renderer: str = _value("auto", f"One of {', '.join(RENDERERS)}; auto: the best one that works here.")
    steps: int = _number(1, 1, 4, "Steps of the diffusion renderer: more are finer and slower.")
    overlap_frames: int = _number(4, 1, 15, "Frames already shown that new ones of it are joined to.")
    lids: bool = _value(True, "Whether it generates lids that move; else warp draws them.")
    engine: str = _value("auto", f"What runs its networks: one of {', '.join(ENGINES)}; auto: the best one here.")
    pictures: str = _value("auto", f"One of {', '.join(PICTURES)}: what fills pictures; auto: the networks' card.")
    threads: int = _number(1, 1, 64, "CPU threads of its networks.")
    networks: Path | None = _value(None, "Folder with its exported networks; those that ship if not given.")

    def __post_init__(self) -> None:
        if self.renderer not in RENDERERS:
            raise BadSetting("drawing.renderer", f"is {self.renderer!r}", f"Choose one of {', '.join(RENDERERS)}.")
        if self.engine not in ENGINES:
            raise BadSetting("drawing.engine", f"is {self.engine!r}", f"Choose one of {', '.join(ENGINES)}.")
        if self.pictures not in PICTURES:
            raise BadSetting("drawing.pictures", f"is {self.pictures!r}", f"Choose one of {', '.join(PICTURES)}.")
        if self.networks is not None and not self.networks.is_dir():
            raise BadSetting("drawing.networks", f"names {self.networks}, which is no folder", "Give a folder.")


@dataclass(frozen=True, slots=True)
class RtcSettings:
    """How media find their way."""

    ice_servers: tuple[IceServer, ...] = _value((), "STUN and TURN servers; not needed within one network.")
    turn_secret: str = _secret("Secret shared with the TURN servers, from which passwords are made; empty: none.")
    turn_ttl_s: int = _number(3600, 120, 86400, "How long such a password may be used.")
    relay_only: bool = _value(False, "All media goes through the TURN server, on both sides.")
    ports: str = _value("", "UDP ports for media, such as 40000-40100; empty: any.")
    public_address: str = _value("", "IP address that NAT gives this machine outside; empty: none.")
    max_viewers: int = _number(20, 0, 200, "Viewers (WHEP) of one session; more of them want an SFU.")
    publish_token: str = _secret("Bearer token that WHIP clients must send; empty: none.")
    watch_token: str = _secret("Bearer token that WHEP clients must send; empty: none.")

    def __post_init__(self) -> None:
        for key in ("publish_token", "watch_token", "turn_secret"):
            if not all("!" <= character <= "~" for character in getattr(self, key)):
                raise BadSetting(f"rtc.{key}", "has characters that no header can carry", "Use letters and digits.")
        self._check_relays()
        try:
            _ = self.port_range
        except ValueError as error:
            remedy = "Give a range from 1024 to 65535: 40000-40100."
            raise BadSetting("rtc.ports", f"is {self.ports!r}", remedy) from error
        try:
            _ = self.public_address and ipaddress.ip_address(self.public_address)
        except ValueError as error:
            problem = f"is {self.public_address!r}, which is no IP address"
            raise BadSetting("rtc.public_address", problem, "Give the address itself, such as 203.0.113.7.") from error

    def _check_relays(self) -> None:
        """Browsers refuse to call at all with a TURN server that has no password."""
        relays = [server for server in self.ice_servers if server.relays]
        for server in relays:
            if not self.turn_secret and not (server.username and server.credential):
                raise BadSetting(
                    "rtc.ice_servers",
                    f"has {server.urls[0]!r} without a password",
                    "Give it username and credential, or set rtc.turn_secret.",
                )
        if self.relay_only and not relays:
            raise BadSetting("rtc.relay_only", "needs a TURN server", "Add one to rtc.ice_servers, or switch it off.")

    @property
    def port_range(self) -> PortRange | None:
        """The ports for media; None: any."""
        return PortRange.read(self.ports) if self.ports else None


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Voice agents that push their speech over a WebSocket."""

    token: str = _secret("Bearer token that agents must send; empty: none.")
    buffer_s: float = _number(120.0, 1.0, 900.0, "Speech of one agent that may wait; more is refused.")
    segment_timeout_s: float = _number(10.0, 0.5, 600.0, "A segment that gets no speech for this long is ended.")
    idle_timeout_s: float = _number(300.0, 0.0, 1e6, "An agent that sends nothing for this long is left; 0: never.")


@dataclass(frozen=True, slots=True)
class ShowSettings:
    """Sessions that speak from files: one of the operator's own, and those that others open over REST."""

    folder: Path | None = _value(None, "Folder whose files others may play over REST; not given: none.")
    token: str = _secret("Bearer token that they must send; empty: none.")
    play: tuple[str, ...] = _value((), "Files, folders and M3U playlists that the server itself plays, in this order.")
    play_avatar: str = _value("", "Id of the avatar that speaks them; empty: the first one.")
    play_name: str = _value("show", "Viewers find it at /whep/{name}.")
    play_loop: bool = _value(True, "Begin again after the last file; else the avatar idles then.")
    play_shuffle: bool = _value(False, "Play each round in another order.")
    play_seed: int = _number(-1, -1, 2**63 - 1, "The same one gives the same order; -1: another one each time.")
    play_pause_s: float = _number(1.0, 0.0, 3600.0, "Silence between two files; 0: gapless.")

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise BadSetting("shows.folder", f"names {self.folder}, which is no folder", "Give a folder.")
        if not all("!" <= character <= "~" for character in self.token):
            raise BadSetting("shows.token", "has characters that no header can carry", "Use letters and digits.")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,62}", self.play_name):
            raise BadSetting("shows.play_name", "is no name for a show", "Use 2 to 63 of a-z, 0-9 and hyphens.")


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """A server that the operator streams to: others start a stream there by its name, without knowing its key."""

    name: str
    url: str = field(repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    automatic: bool = False
    """The first session that somebody joins goes there by itself."""


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Recordings, and streams to RTMP and WHIP servers."""

    record_dir: Path | None = _value(None, "Folder for recordings; not given: nothing can be recorded.")
    record_all: bool = _value(False, "Record every session that somebody joins.")
    min_free_mb: int = _number(500, 0, 10_000_000, "A recording stops before the disk has less left.")
    targets: tuple[StreamTarget, ...] = _value((), "Servers that streams can be sent to by name.")
    token: str = _secret("Bearer token for starting and stopping outputs; empty: only this machine itself may.")
    private_networks: tuple[str, ...] = _value(
        (), "Private networks that streams started over REST may reach, such as 192.168.7.0/24."
    )
    max_per_session: int = _number(4, 0, 50, "Outputs of one session at the same time.")
    video_kbps: int = _number(2500, 200, 20_000, "Recordings and RTMP: the pictures never take more.")
    give_up_s: float = _number(3600.0, 0.0, 1e7, "A stream without a connection for so long has failed; 0: never.")

    def __post_init__(self) -> None:
        if self.record_dir is not None and not self.record_dir.is_dir():
            raise BadSetting("outputs.record_dir", f"names {self.record_dir}, which is no folder", "Give a folder.")
        if self.record_all and self.record_dir is None:
            raise BadSetting("outputs.record_all", "needs outputs.record_dir", "Give the folder for recordings.")
        if not all("!" <= character <= "~" for character in self.token):
            raise BadSetting("outputs.token", "has characters that no header can carry", "Use letters and digits.")
        for network in self.private_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                problem = f"has {network!r}, which is no network"
                raise BadSetting("outputs.private_networks", problem, "Write it like 192.168.7.0/24.") from error
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names) or not all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) for name in names):
            problem = "has names that are not all different and of a-z, 0-9 and hyphens"
            raise BadSetting("outputs.targets", problem, "Give each target a name of its own.")


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """A virtual camera of this machine, for programs that take no WebRTC. Needs the extra `camera`."""

    device: str = _value("", "Its path or name, such as /dev/video10; auto: the first one; empty: none.")
    width: int = _number(1280, 160, 3840, "Width of its picture, even.")
    height: int = _number(720, 120, 2160, "Height of its picture, even.")

    def __post_init__(self) -> None:
        for key in ("width", "height"):
            if getattr(self, key) % 2:
                raise BadSetting(f"camera.{key}", f"is {getattr(self, key)}, which is odd", "Choose an even number.")


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The web page."""

    badge: bool = _value(True, "Show the 'AI avatar' badge. Where the law asks for such a notice, it is yours to give.")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an operator may choose."""

    data_dir: Path = field(
        default_factory=lambda: default_data_dir(os.environ, sys.platform, Path.home()),
        metadata={"help": "Where avatars are kept."},
    )
    server: ServerSettings = field(default_factory=ServerSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    sessions: SessionSettings = field(default_factory=SessionSettings)
    photos: PhotoSettings = field(default_factory=PhotoSettings)
    video: VideoSettings = field(default_factory=VideoSettings)
    drawing: DrawingSettings = field(default_factory=DrawingSettings)
    rtc: RtcSettings = field(default_factory=RtcSettings)
    agents: AgentSettings = field(default_factory=AgentSettings)
    shows: ShowSettings = field(default_factory=ShowSettings)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    page: PageSettings = field(default_factory=PageSettings)
    provenance: ProvenanceSettings = field(default_factory=ProvenanceSettings)
    log: LogSettings = field(default_factory=LogSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)

    @property
    def public(self) -> bool:
        """Others than this machine reach it: directly, or by a name that a proxy answers to."""
        return not self.server.loopback or any(host not in LOOPBACK_HOSTS for host in self.server.allowed_hosts)

    @property
    def capacity(self) -> int:
        """Sessions at the same time."""
        return self.sessions.capacity or default_capacity(usable_cores())
