from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from visavis_server.settings import BadSetting, IceServer, default_capacity, default_data_dir
from visavis_server.settings_sources import load_settings, setting_keys

pytestmark = pytest.mark.unit


def toml(folder: Path, text: str) -> Path:
    path = folder / "visavis.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_defaults_are_safe() -> None:
    settings = load_settings()
    assert settings.server.host == "127.0.0.1" and settings.server.loopback
    assert settings.server.allowed_origins == ()
    assert settings.access.mode == "auto" and not settings.public and not settings.server.https
    assert settings.page.badge
    assert settings.sessions.join_timeout_s == 15
    assert settings.photos.max_photo_bytes == 20 * 1024 * 1024


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    path = toml(tmp_path, 'data_dir = "/data"\n[server]\nport = 1000\nhost = "::1"\n[sessions]\ncapacity = 7\n')
    environ = {"VISAVIS_SERVER_PORT": "2000", "VISAVIS_SESSIONS_CAPACITY": "8", "HOME": "/home/x"}
    settings = load_settings(path, environ, {"server.port": 3000, "sessions.capacity": None})
    assert settings.server.port == 3000
    assert settings.capacity == 8
    assert settings.server.host == "::1"
    assert settings.data_dir == Path("/data")
    assert settings.video.long_side_px == 512


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, "[video]\nlong_side_px = 640\n")
    assert load_settings(environ={"VISAVIS_CONFIG": str(path)}).video.long_side_px == 640


def test_every_kind_of_value_can_come_from_the_environment() -> None:
    settings = load_settings(
        environ={
            "VISAVIS_DATA_DIR": "/data",
            "VISAVIS_PAGE_BADGE": "false",
            "VISAVIS_SESSIONS_JOIN_TIMEOUT_S": "2.5",
            "VISAVIS_SERVER_ALLOWED_ORIGINS": "https://a.example, https://b.example",
            "VISAVIS_RTC_ICE_SERVERS": '[{"urls": "turn:t:3478", "username": "u", "credential": "c"}]',
        }
    )
    assert settings.data_dir == Path("/data")
    assert settings.page.badge is False
    assert settings.sessions.join_timeout_s == 2.5
    assert settings.server.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.rtc.ice_servers == (IceServer(("turn:t:3478",), "u", "c"),)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1", "colour"),
        ("[server]\nprot = 1", "server.prot"),
        ("[serve]\nport = 1", "serve.port"),
        ("server = 7", "server"),
        ('[server]\nport = "80"', "server.port"),
        ("[server]\nport = 70000", "server.port"),
        ("[server]\nport = true", "server.port"),
        ("[server]\nport = 80.5", "server.port"),
        ('[server]\nhost = ""', "server.host"),
        ('[server]\nallowed_origins = ["*"]', "server.allowed_origins"),
        ('[server]\nallowed_origins = ["https://a.example/path"]', "server.allowed_origins"),
        ('[server]\nallowed_origins = "https://a.example"', "server.allowed_origins"),
        ('[server]\ntls_cert = "nowhere.pem"', "server.tls_cert"),
        ("[sessions]\njoin_timeout_s = nan", "sessions.join_timeout_s"),
        ("[sessions]\njoin_timeout_s = 0", "sessions.join_timeout_s"),
        ("[sessions]\ncapacity = -1", "sessions.capacity"),
        ('[sessions]\nwhen_busy = "panic"', "sessions.when_busy"),
        ("[sessions]\nleast_fps = 30", "sessions.least_fps"),
        ("[server]\nworkers = 65", "server.workers"),
        ("[photos]\nmax_photo_bytes = 1e9", "photos.max_photo_bytes"),
        ("[video]\nlong_side_px = 4096", "video.long_side_px"),
        ('[log]\nlevel = "loud"', "log.level"),
        ('[page]\nbadge = "yes"', "page.badge"),
        ('[[rtc.ice_servers]]\nurls = ["http://x"]', "rtc.ice_servers"),
        ("[[rtc.ice_servers]]\nurls = []", "rtc.ice_servers"),
        ('[[rtc.ice_servers]]\nurls = "stun:x"\npassword = "y"', "rtc.ice_servers"),
        ('[rtc]\nice_servers = "stun:x"', "rtc.ice_servers"),
        ('[[rtc.ice_servers]]\nurls = "turn:x"', "rtc.ice_servers"),
        ('[[rtc.ice_servers]]\nurls = "turn:x"\nusername = "u"', "rtc.ice_servers"),
        ('[[rtc.ice_servers]]\nurls = "turn:x?transport=tls"\nusername = "u"\ncredential = "c"', "rtc.ice_servers"),
        ('[[rtc.ice_servers]]\nurls = "stun:[::1]:3478"', "rtc.ice_servers"),
        ("[rtc]\nrelay_only = true", "rtc.relay_only"),
        ('[rtc]\nrelay_only = true\n[[rtc.ice_servers]]\nurls = "stun:x"', "rtc.relay_only"),
        ('[rtc]\nturn_secret = "with space"', "rtc.turn_secret"),
        ("[rtc]\nturn_ttl_s = 10", "rtc.turn_ttl_s"),
        ('[rtc]\nports = "40000"', "rtc.ports"),
        ('[rtc]\nports = "40100-40000"', "rtc.ports"),
        ('[rtc]\nports = "80-90"', "rtc.ports"),
        ('[rtc]\nports = "65000-70000"', "rtc.ports"),
        ('[rtc]\npublic_address = "my.example.com"', "rtc.public_address"),
        ('[server]\ntls = "on"', "server.tls"),
        ('[server]\ntrusted_proxies = ["my proxy"]', "server.trusted_proxies"),
        ('[access]\nmode = "closed"', "access.mode"),
        ('[access]\nkey = "short"', "access.key"),
        ('[access]\nkey = "has a space in it, sadly"', "access.key"),
        ("[access]\ntoken_s = 90000", "access.token_s"),
        ("[limits]\nconnections = 0", "limits.connections"),
        ("[limits]\nrequests_per_s = 0", "limits.requests_per_s"),
        ("not toml", "--config"),
    ],
)
def test_a_bad_file_stops_the_start_and_names_the_key(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings(toml(tmp_path, text))
    assert refused.value.key == key and key in refused.value.message and refused.value.remedy


def test_no_message_shows_a_secret(tmp_path: Path) -> None:
    settings = load_settings(
        flags={
            "rtc.turn_secret": "hush-1",
            "rtc.watch_token": "hush-2",
            "agents.token": "hush-3",
            "access.key": "hush-5-hush-5-hush-5",
            "rtc.ice_servers": [{"urls": "turn:x", "username": "u", "credential": "hush-4"}],
        }
    )
    assert "hush" not in repr(settings)
    bad = ['[rtc]\nturn_secret = ["hush"]', '[[rtc.ice_servers]]\nurls = "turn:x"\npassword = "hush"']
    for text in bad:
        with pytest.raises(BadSetting) as refused:
            load_settings(toml(tmp_path, text))
        assert "hush" not in str(refused.value)


def test_turn_servers_need_a_password_or_the_secret() -> None:
    settings = load_settings(
        environ={"VISAVIS_RTC_ICE_SERVERS": '[{"urls": "turn:x"}]', "VISAVIS_RTC_TURN_SECRET": "s"},
        flags={"rtc.relay_only": True, "rtc.ports": "40000-40100"},
    )
    assert settings.rtc.relay_only and settings.rtc.port_range is not None
    assert (len(settings.rtc.port_range), str(settings.rtc.port_range)) == (101, "40000-40100")


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"VISAVIS_PROT": "1"}, "VISAVIS_PROT"),
        ({"VISAVIS_SERVER_PORT": "eighty"}, "server.port"),
        ({"VISAVIS_SERVER_PORT": ""}, "server.port"),
        ({"VISAVIS_PAGE_BADGE": "maybe"}, "page.badge"),
        ({"VISAVIS_RTC_ICE_SERVERS": "stun:x"}, "rtc.ice_servers"),
        ({"VISAVIS_CONFIG": "/nowhere.toml"}, "--config"),
        ({"VISAVIS_SESSIONS_IDLE_TIMEOUT_S": "nan"}, "sessions.idle_timeout_s"),
    ],
)
def test_a_bad_environment_stops_the_start_and_names_the_key(environ: dict[str, str], key: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings(environ=environ)
    assert refused.value.key == key


def test_half_of_a_certificate_is_none(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("x")
    with pytest.raises(BadSetting, match=r"server\.tls_key is missing"):
        load_settings(flags={"server.tls_cert": cert})


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({}, "linux", "/home/x/.local/share/visavis"),
        ({"XDG_DATA_HOME": "/xdg"}, "linux", "/xdg/visavis"),
        ({"XDG_DATA_HOME": "relative"}, "linux", "/home/x/.local/share/visavis"),
        ({}, "darwin", "/home/x/Library/Application Support/visavis"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/visavis"),
        ({}, "win32", "/home/x/AppData/Local/visavis"),
    ],
)
def test_data_go_where_the_platform_keeps_them(environ: dict[str, str], platform: str, folder: str) -> None:
    assert default_data_dir(environ, platform, Path("/home/x")) == Path(folder)


@pytest.mark.parametrize(("cores", "capacity"), [(0.5, 1), (1, 1), (2, 2), (3.9, 3), (16, 16)])
def test_capacity_follows_the_cores(cores: float, capacity: int) -> None:
    assert default_capacity(cores) == capacity


def test_variables_name_every_setting_without_ambiguity() -> None:
    keys: dict[str, Any] = setting_keys()
    assert len({key.replace(".", "_").upper() for key in keys}) == len(keys)
