"""Where `ostiary dev` and the commands that look after it agree to keep things."""

from pathlib import Path

from ostiary_cli.places import Places, find_places

HOME = Path("/home/mara")


def test_defaults_follow_xdg_and_the_folder(tmp_path: Path) -> None:
    found = find_places(str(tmp_path), environment={"XDG_STATE_HOME": "/var/s"}, home=HOME)

    state, keys = Path("/var/s/ostiary") / found.state.name, HOME / ".config/ostiary"
    assert found == Places(
        state=state,
        keys=keys / found.state.name,
        bundle=state / "bundle",
        store=state / "store.sqlite3",
        audit=state / "audit",
        admin_token=state / "admin-token",
        ready=state / "proxy-ready.json",
        key_file=keys / found.state.name / "keys.json",
        checkpoints=keys / found.state.name / "checkpoints",
    )


def test_a_folder_is_the_same_by_any_spelling_and_others_differ(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    spellings = (str(tmp_path / "a"), f"{tmp_path}/a/../a/", str(tmp_path / "b"))

    first, again, other = (find_places(s, environment={}, home=HOME).state for s in spellings)

    assert first == again
    assert first != other


def test_a_relative_xdg_folder_is_ignored() -> None:
    found = find_places("http://x/mcp", environment={"XDG_CONFIG_HOME": "conf"}, home=HOME)

    assert found.keys.parent == HOME / ".config/ostiary"


def test_named_folders_replace_the_defaults(tmp_path: Path) -> None:
    found = find_places(".", environment={}, home=HOME, state=tmp_path / "s", keys=tmp_path / "k")

    assert (found.state, found.checkpoints) == (tmp_path / "s", tmp_path / "k/checkpoints")
