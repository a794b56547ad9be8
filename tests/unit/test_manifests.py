"""Reading a folder: what becomes of each document, and every fault with its place."""

import base64

from ostiary.crypto.secret import Secret
from ostiary.decode.yaml_documents import MAX_SIZE
from ostiary.translate.world import SecretFacts, ServiceFacts
from ostiary_cli.manifests import read_world

ROUTE = """\
apiVersion: ostiary.dev/v1alpha1
kind: MCPRoute
metadata: {name: %s, uid: theirs, resourceVersion: "7", creationTimestamp: "1999-01-01T00:00:00Z"}
spec: {to: "https://a.example.net/mcp"}
"""


def written(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(f"{path.name}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def shown(loaded, folder):
    return [str(fault).replace(f"{folder}/", "") for fault in loaded.faults]


def test_age_is_the_order_of_files_and_documents_and_uids_never_change(tmp_path):
    folder = written(tmp_path, b=ROUTE % "c", a=f"{ROUTE % 'b'}---\n{ROUTE % 'a'}")

    first, again = read_world(folder, {}), read_world(folder, {})

    ages = sorted(manifest.age for manifest in first.world.manifests)
    assert [name for _, _, name in ages] == ["b", "a", "c"]
    assert first == again
    assert len({manifest.meta.uid for manifest in first.world.manifests} | {"theirs"}) == 4


def test_hidden_files_and_other_names_are_left_out(tmp_path):
    written(tmp_path, a=ROUTE % "a", deep__b=ROUTE % "b")
    written(tmp_path / ".git", c=ROUTE % "c")
    (tmp_path / "notes.txt").write_text("{{{")

    loaded = read_world(tmp_path, {})

    assert [path.name for path in loaded.files] == ["a.yaml", "b.yaml"]
    assert loaded.faults == ()


def test_secrets_are_facts_in_the_world_and_values_beside_it(tmp_path):
    data = base64.b64encode("grüße".encode()).decode()
    text = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: s, namespace: team}}
data: {{a: {data}}}
stringData: {{b: "x-${{TOKEN}}"}}
---
{ROUTE % "r"}"""
    loaded = read_world(written(tmp_path, s=text), {"TOKEN": "t"})

    assert loaded.world.secrets == (
        SecretFacts(namespace="team", name="s", keys={"a": "0", "b": "0"}),
    )
    assert loaded.secret_values == {
        ("team", "s", "a"): Secret("grüße"),
        ("team", "s", "b"): Secret("x-t"),
    }
    assert "grüße" not in repr(loaded)


def test_with_a_key_the_version_of_a_secret_follows_its_value(tmp_path):
    def version(value, key):
        text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{k: {value}}}\n"
        loaded = read_world(written(tmp_path, s=text), {}, version_key=key)
        return loaded.world.secrets[0].keys["k"]

    one, same, other = version("a", b"k"), version("a", b"k"), version("b", b"k")

    assert one == same
    assert len({one, other, version("a", b"another")}) == 3


def test_namespaces_services_and_grants_are_read(tmp_path):
    text = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: team, labels: {{mcp: "on"}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: tools, namespace: team}}
spec: {{clusterIP: 10.96.0.1, ports: [{{port: 80, targetPort: http}}]}}
---
{ROUTE % "r"}"""
    world = read_world(written(tmp_path, a=text), {}).world

    assert world.namespaces == {
        "team": {"kubernetes.io/metadata.name": "team", "mcp": "on"},
        "default": {"kubernetes.io/metadata.name": "default"},
    }
    assert world.services == (
        ServiceFacts(namespace="team", name="tools", ports=(80,), addresses=("10.96.0.1",)),
    )


def test_what_is_not_ours_is_passed_over_with_a_notice(tmp_path):
    text = f"apiVersion: apps/v1\nkind: Deployment\n---\n{ROUTE % 'r'}"
    loaded = read_world(written(tmp_path, a=text), {})

    assert [str(notice).replace(f"{tmp_path}/", "") for notice in loaded.notices] == [
        "a.yaml:1:1: apps/v1 Deployment is not read here; passed over"
    ]
    assert loaded.faults == ()


def test_a_list_is_refused_rather_than_passed_over(tmp_path):
    loaded = read_world(written(tmp_path, a="apiVersion: v1\nkind: List\nitems: []\n"), {})

    assert shown(loaded, tmp_path)[0] == (
        "a.yaml:2:7: kind: lists are not read; write each item as a document of its own"
    )


def test_every_fault_of_every_file_is_said(tmp_path):
    written(
        tmp_path,
        a="a: 1\na: 2\n",
        b="apiVersion: ostiary.dev/v2\nkind: MCPRoute\n",
        c=(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
            "data: {k: '%%'}\nstringData: {x: '${NO}'}\n"
        ),
        d=b"#" * (MAX_SIZE + 1),
        e=f"{ROUTE % 'r'}---\n{ROUTE % 'r'}",
    )
    (tmp_path / "f.yaml").symlink_to("nowhere")

    assert shown(read_world(tmp_path, {}), tmp_path) == [
        "a.yaml:2:1: a: this key stands twice, first in line 1; remove one",
        "b.yaml:1:13: apiVersion: write ostiary.dev/v1alpha1",
        "c.yaml:4:11: data.k: not UTF-8 text in base64; write it under stringData instead",
        "c.yaml:5:17: stringData.x: the environment variable NO is not set",
        "d.yaml:1:1: the file is larger than 8 MiB; split it",
        (
            "e.yaml:8:18: metadata.name: MCPRoute/default/r stands twice, first at e.yaml:1; "
            "remove one"
        ),
    ]


def test_a_folder_without_our_kinds_or_without_itself_is_a_fault(tmp_path):
    missing, empty = read_world(tmp_path / "no", {}), read_world(tmp_path, {})

    assert [fault.message for fault in missing.faults] == ["no such file or folder"]
    assert "there is no object of ostiary.dev/v1alpha1 here" in empty.faults[0].message
