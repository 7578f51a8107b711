from __future__ import annotations

from pathlib import Path

import pytest

from visavis_models.errors import BadInput, NotFound
from visavis_server.play_list import PlayItem, items_inside, items_of, read_playlist
from visavis_server.play_order import PlayOrder

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "shows"
    (root / "album").mkdir(parents=True)
    for name in ("a.wav", "album/10.mp3", "album/2.mp3", "album/notes.txt", "album/.hidden.mp3"):
        (root / name).write_bytes(b"sound")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "album" / "out.wav").symlink_to(tmp_path / "secret.wav")
    (root / "up").symlink_to(tmp_path)
    return root


def names(items: list[PlayItem]) -> list[str]:
    return [item.name for item in items]


def test_a_folder_is_its_sound_files_in_the_order_of_people(folder: Path) -> None:
    assert names(items_inside(folder, ["album", "a.wav"])) == ["album/2.mp3", "album/10.mp3", "a.wav"]


def test_an_extended_playlist_gives_titles_and_paths_of_any_system(folder: Path) -> None:
    text = (
        "\ufeff#EXTM3U\r\n#PLAYLIST:Mine\r\n#EXTINF:12,Ada - Größe\r\nalbum/2.mp3\r\n\r\nalbum\\10.mp3\r\n"
        f"#EXTINF:-1 tvg-id=x,By address\n{(folder / 'a.wav').as_uri()}\n# a comment\n"
    )
    (folder / "list.m3u8").write_text(text, "utf-8")
    items = items_inside(folder, ["list.m3u8"])
    assert [(item.name, item.title, item.problem) for item in items] == [
        ("album/2.mp3", "Ada - Größe", None),
        ("album/10.mp3", "", None),
        ("a.wav", "By address", None),
    ]
    assert items_of([folder / "list.m3u8"])[0].path == folder / "album" / "2.mp3"


def test_a_plain_playlist_of_old_is_read_too(folder: Path) -> None:
    (folder / "größe.wav").write_bytes(b"sound")
    (folder / "old.m3u").write_bytes("größe.wav\n".encode("latin-1"))
    assert names(items_inside(folder, ["old.m3u"])) == ["größe.wav"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("http://10.0.0.1/x.mp3", "bad_playlist"),
        ("../secret.wav", "no_such_file"),
        ("/etc/passwd", "no_such_file"),
        ("file:///etc/passwd", "no_such_file"),
        ("link.wav", "no_such_file"),
        ("gone.wav", "no_such_file"),
        ("album", "no_such_file"),
        ("other.m3u", "bad_playlist"),
    ],
)
def test_a_bad_entry_is_kept_with_its_problem_and_the_others_are_played(folder: Path, line: str, code: str) -> None:
    (folder / "list.m3u").write_text(f"{line}\na.wav\n", "utf-8")
    bad, good = items_inside(folder, ["list.m3u"])
    assert bad.problem is not None and bad.problem.code == code and bad.name == line
    assert "secret" not in bad.problem.message or "secret" in line
    assert (good.name, good.problem) == ("a.wav", None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../secret.wav",
        "album/../../secret.wav",
        "..",
        "http://a/b.mp3",
        "a\\b.wav",
        ".hidden",
        "a\0b",
    ]
    + ["file:///etc/passwd", "album/.hidden.mp3", "x" * 1001],
)
def test_a_name_that_may_lead_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        items_inside(folder, [name])
    assert caught.value.code == "bad_file_name"


@pytest.mark.parametrize("name", ["link.wav", "up/secret.wav", "up", "nothing.wav", "a.wav/x", "concat:a.wav|b.wav"])
def test_links_out_of_the_folder_look_like_files_that_are_not_there(folder: Path, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        items_inside(folder, [name])
    assert caught.value.code == "no_such_file" and str(folder) not in caught.value.message


def test_an_operator_may_name_anything(folder: Path) -> None:
    assert names(items_of([folder / "link.wav", folder / "album"])) == ["link.wav", "2.mp3", "10.mp3", "out.wav"]
    with pytest.raises(NotFound):
        items_of([folder / "nothing.wav"])


def test_what_is_no_list_of_files_is_told(folder: Path) -> None:
    (folder / "live.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nsegment0.ts\n", "utf-8")
    with pytest.raises(BadInput, match="HLS"):
        read_playlist(folder / "live.m3u8")
    (folder / "huge.m3u").write_bytes(b"x\n" * 2_200_000)
    with pytest.raises(BadInput, match="too large"):
        items_inside(folder, ["huge.m3u"])
    (folder / "long.m3u").write_text("a.wav\n" * 10_001, "utf-8")
    with pytest.raises(BadInput) as caught:
        items_inside(folder, ["long.m3u"])
    assert caught.value.code == "too_many_items"
    (folder / "empty").mkdir()
    with pytest.raises(BadInput) as caught:
        items_inside(folder, ["empty"])
    assert caught.value.code == "nothing_to_play"


def items(count: int) -> list[PlayItem]:
    return [PlayItem(str(n), Path(str(n))) for n in range(count)]


def played(order: PlayOrder, count: int) -> list[int]:
    return [chosen[0] for _ in range(count) if (chosen := order.next()) is not None]


def test_items_come_once_as_they_stand_or_round_and_round() -> None:
    assert played(PlayOrder(items(3)), 9) == [0, 1, 2]
    assert played(PlayOrder(items(3), loop=True), 7) == [0, 1, 2, 0, 1, 2, 0]


def test_shuffled_rounds_hold_everything_once_and_the_seed_repeats_them() -> None:
    for seed in range(30):
        order, again = (PlayOrder(items(4), loop=True, shuffle=True, seed=seed) for _ in range(2))
        run = played(order, 40)
        assert run == played(again, 40)
        assert all(sorted(run[n : n + 4]) == [0, 1, 2, 3] for n in range(0, 40, 4))
        assert all(a != b for a, b in zip(run, run[1:], strict=False))
    assert len({tuple(played(PlayOrder(items(4), shuffle=True, seed=seed), 4)) for seed in range(30)}) > 10


def test_more_may_be_appended_while_it_plays() -> None:
    order = PlayOrder(items(2))
    assert played(order, 1) == [0]
    order.append([PlayItem("new", Path("new"))])
    assert [n for n, _ in order.upcoming(9)] == [1, 2]
    assert played(order, 9) == [1, 2]
    order.append(items(1))
    assert played(order, 9) == [3]
    shuffled = PlayOrder(items(50), shuffle=True, seed=3)
    first = played(shuffled, 10)
    shuffled.append(items(50))
    rest = played(shuffled, 200)
    assert sorted(first + rest) == list(range(100)) and max(rest[:30]) >= 50  # anywhere in what is left
    with pytest.raises(BadInput):
        order.append(items(10_000))
