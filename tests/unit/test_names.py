"""Names in the cluster: what is made of the longest gateway name is still a DNS label."""

from ostiary.config.document import SCHEMA
from ostiary.resources.gateway import MAX_GATEWAY_NAME
from ostiary.translate.names import SHARDS, Names, is_paused, labels, selector


def test_objects_are_named_after_their_gateway():
    names = Names("main")

    assert (names.main, names.internal, names.state, names.keys) == (
        "ostiary-main",
        "ostiary-main-internal",
        "ostiary-main-state",
        "ostiary-main-keys",
    )
    assert (names.admin, names.admin_ca, names.dev_identity, names.bundle(3)) == (
        "ostiary-main-admin",
        "ostiary-main-admin-ca",
        "ostiary-main-dev-identity",
        "ostiary-main-bundle-v1-03",
    )


def test_names_of_the_longest_gateway_are_dns_labels():
    names = Names("g" * MAX_GATEWAY_NAME)

    longest = [names.internal, names.state, names.admin_ca, names.dev_identity]
    assert max(map(len, [*longest, names.bundle(SHARDS - 1, schema=99)])) <= 63


def test_a_shard_is_known_by_its_name_whatever_its_schema():
    names = Names("main")
    found = [names.bundle(0), names.bundle(7, schema=12), names.keys, Names("other").bundle(0)]

    assert [names.schema_of(name) for name in found] == [SCHEMA, 12, None, None]


def test_a_pod_is_selected_by_labels_that_outlive_its_gateway():
    assert labels("main", "u-1") == {
        "app.kubernetes.io/name": "ostiary-proxy",
        "app.kubernetes.io/instance": "main",
        "app.kubernetes.io/managed-by": "ostiary-operator",
        "ostiary.dev/gateway": "main",
        "ostiary.dev/gateway-uid": "u-1",
    }
    assert selector("main").items() <= labels("main", "u-2").items()


def test_only_the_word_disabled_pauses():
    said = [{}, {"ostiary.dev/reconcile": "enabled"}, {"ostiary.dev/reconcile": "disabled"}]

    assert [is_paused(annotations) for annotations in said] == [False, False, True]
