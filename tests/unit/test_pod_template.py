"""What `podTemplate` refuses, each by its path (the golden cases show the first fault only)."""

import pytest

from ostiary.resources.pod_template import pod_template_faults
from ostiary.translate.podtemplate import merge


def container(**fields):
    return {"spec": {"containers": [{"name": "x", "image": "x:1", **fields}]}}


def proxy(**fields):
    return {"spec": {"containers": [{"name": "proxy", **fields}]}}


def volume(**fields):
    return {"spec": {"volumes": [{"name": "x", **fields}]}}


REFUSED = {
    "spec.hostNetwork": {"spec": {"hostNetwork": False}},
    "spec.hostPID": {"spec": {"hostPID": True}},
    "spec.hostIPC": {"spec": {"hostIPC": True}},
    "spec.hostUsers": {"spec": {"hostUsers": True}},
    "spec.shareProcessNamespace": {"spec": {"shareProcessNamespace": True}},
    "spec.securityContext": {"spec": {"securityContext": {}}},
    "spec.serviceAccountName": {"spec": {"serviceAccountName": "admin"}},
    "spec.automountServiceAccountToken": {"spec": {"automountServiceAccountToken": True}},
    "spec.terminationGracePeriodSeconds": {"spec": {"terminationGracePeriodSeconds": 0}},
    "spec.ephemeralContainers": {"spec": {"ephemeralContainers": []}},
    "spec.imagePullSecrets": {"spec": {"imagePullSecrets": []}},
    "spec.nodeName": {"spec": {"nodeName": "n"}},
    "status": {"status": {}},
    "metadata.name": {"metadata": {"name": "x"}},
    "metadata.finalizers": {"metadata": {"finalizers": []}},
    "metadata.labels.app.kubernetes.io/name": {
        "metadata": {"labels": {"app.kubernetes.io/name": "x"}}
    },
    "metadata.annotations.ostiary.dev/restart": {
        "metadata": {"annotations": {"ostiary.dev/restart": "x"}}
    },
    "spec.containers[0].image": proxy(image="other:1"),
    "spec.containers[0].command": proxy(command=["sh"]),
    "spec.containers[0].args": proxy(args=[]),
    "spec.containers[0].ports": proxy(ports=[]),
    "spec.containers[0].envFrom": proxy(envFrom=[]),
    "spec.containers[0].lifecycle": proxy(lifecycle={}),
    "spec.containers[0].livenessProbe": proxy(livenessProbe={}),
    "spec.containers[0].securityContext": proxy(securityContext={}),
    "spec.containers[0].env[0].name": proxy(env=[{"name": "OSTIARY_LISTEN", "value": "x"}]),
    "spec.containers[0].env[1].name": proxy(
        env=[{"name": "A"}, {"name": "KUBERNETES_SERVICE_HOST", "value": "x"}]
    ),
    "spec.containers[0].ports[0].hostPort": container(
        ports=[{"containerPort": 80, "hostPort": 80}]
    ),
    "spec.containers[0].volumeDevices": container(volumeDevices=[]),
    "spec.containers[0].volumeMounts[0].name": container(
        volumeMounts=[{"name": "keys", "mountPath": "/keys"}]
    ),
    "spec.initContainers[0].name": {"spec": {"initContainers": [{"name": "proxy"}]}},
    "spec.initContainers[0].securityContext": {
        "spec": {"initContainers": [{"name": "x", "securityContext": {"privileged": True}}]}
    },
    "spec.volumes[0].hostPath": volume(hostPath={"path": "/"}),
    "spec.volumes[0].nfs": volume(nfs={}),
    "spec.volumes[0].projected.sources[0].serviceAccountToken": volume(
        projected={"sources": [{"serviceAccountToken": {"path": "x"}}]}
    ),
    "spec.volumes[0].projected.sources[0].podCertificate": volume(
        projected={"sources": [{"podCertificate": {}}]}
    ),
    "spec.volumes[0].name": {"spec": {"volumes": [{"name": "bundle", "emptyDir": {}}]}},
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_proxies_rely_on_is_refused_by_its_path(path):
    assert [fault.path for fault in pod_template_faults(REFUSED[path], "t")] == [f"t.{path}"]


@pytest.mark.parametrize(
    "path",
    [
        "/", "/etc", "/etc/ostiary", "/etc/ostiary/keys/", "/etc/./ostiary/x", "//etc/ostiary",
        "/x/../etc/ostiary", "/var", "/var/lib/ostiary/audit", "/tmp", "/tmp/x", "relative", "",
    ],
)  # fmt: skip
def test_no_mount_hides_one_of_the_proxys_or_lies_within_it(path):
    overlay = proxy(volumeMounts=[{"name": "x", "mountPath": path}])

    faults = [fault.path for fault in pod_template_faults(overlay, "t")]

    assert faults == ["t.spec.containers[0].volumeMounts[0].mountPath"]


@pytest.mark.parametrize("path", ["/etc/extra", "/etc/ostiary-extra", "/var/lib/ostiary2", "/data"])
def test_a_mount_beside_the_proxys_is_fine(path):
    assert pod_template_faults(proxy(volumeMounts=[{"name": "x", "mountPath": path}]), "t") == ()


def test_a_fault_says_what_to_do():
    (fault,) = pod_template_faults({"spec": {"hostNetwork": True}}, "spec.proxy.podTemplate")

    assert str(fault) == (
        "spec.proxy.podTemplate.spec.hostNetwork: can't be set here: proxies rely on it, "
        "or there is no such field; remove it"
    )


def test_lists_are_merged_by_their_keys_and_others_replaced():
    ours = {
        "containers": [{"name": "a", "env": [{"name": "X", "value": "1"}], "args": ["1"]}],
        "volumes": [{"name": "v"}],
        "tolerations": [{"key": "old"}],
    }
    overlay = {
        "containers": [
            {"name": "b"},
            {"name": "a", "env": [{"name": "Y", "value": "2"}], "args": ["2"]},
        ],
        "volumes": None,
        "tolerations": [{"key": "new"}],
    }

    assert merge(ours, overlay) == {
        "containers": [
            {
                "name": "a",
                "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
                "args": ["2"],
            },
            {"name": "b"},
        ],
        "volumes": [{"name": "v"}],
        "tolerations": [{"key": "new"}],
    }
