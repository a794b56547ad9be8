"""The configuration files of the components.

What is not said here stays at its default; each value that differs has its reason beside it.
"""

import base64
import json
from typing import Any

from e2e.cluster.layout import API_PORT, DNS_IP, NODE, NODE_IP, PAUSE_IMAGE, POD_RANGE, Layout

__all__ = ["write_settings"]

_COMPONENTS = ("controller-manager", "scheduler", "proxy", "kubelet", "admin")


def write_settings(layout: Layout, port: int) -> None:
    """Write every component's configuration, and the kubeconfig for `port` on loopback."""
    cni = layout.settings / "cni"
    cni.mkdir(parents=True)
    for user in _COMPONENTS:
        inner = json.dumps(kubeconfig(layout, user, API_PORT))
        layout.inner_kubeconfig(user).write_text(inner)
    layout.kubeconfig.write_text(json.dumps(kubeconfig(layout, "admin", port)))
    files = {
        "resolv.conf": "# no name server: the cluster has no way out\n",
        "audit.json": json.dumps(AUDIT),
        "kubelet.json": json.dumps(kubelet(layout)),
        "kube-proxy.json": json.dumps(kube_proxy(layout)),
        "containerd.toml": containerd(layout),
        "Corefile": corefile(layout),
        "cni/10-ptp.conflist": json.dumps(NETWORK),
    }
    for name, text in files.items():
        (layout.settings / name).write_text(text)


def kubeconfig(layout: Layout, user: str, port: int) -> dict[str, Any]:
    """Return the kubeconfig of a user whose certificate is there."""

    def encoded(file: str) -> str:
        return base64.b64encode((layout.certificates / file).read_bytes()).decode()

    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": encoded("ca.crt"),
    }
    credentials = {
        "client-certificate-data": encoded(f"{user}.crt"),
        "client-key-data": encoded(f"{user}.key"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
    }


AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
"""What service accounts ask for is logged, so that a test can tell which permissions are used."""


def kubelet(layout: Layout) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    certificates = layout.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificates / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificates / "kubelet.crt"),
        "tlsPrivateKeyFile": str(certificates / "kubelet.key"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": str(layout.settings / "resolv.conf"),
        # A changed ConfigMap or Secret reaches a pod at its next sync, 60 s apart by default.
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "syncFrequency": "1s",
        "nodeStatusUpdateFrequency": "5s",
        # The machine's disk may be nearly full; nothing of the cluster lies on it.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "imagefs.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
        },
        "kubeAPIQPS": 1000,
        "kubeAPIBurst": 1000,
        "serializeImagePulls": False,
    }


def kube_proxy(layout: Layout) -> dict[str, Any]:
    """Return kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.inner_kubeconfig("proxy"))},
        "mode": "nftables",
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": NODE,
        "nftables": {"minSyncPeriod": "100ms"},
        # Zero: leave the machine's conntrack settings alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def containerd(layout: Layout) -> str:
    """Return containerd's configuration."""
    # restrict_oom_score_adj: a root without CAP_SYS_RESOURCE may not give the pause container its
    # score, and runc would fail. The snapshotters left out probe for file systems at every start.
    # schedule_delay: an image imported again under its name is not yet unpacked when the layers of
    # the old one, which it shares, are collected as garbage.
    return f"""\
version = 2
root = "{layout.data}/containerd"
state = "/run/containerd/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.gc.v1.scheduler"]
  schedule_delay = "60s"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{layout.settings}/cni"
"""


NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        # ptp routes all that pods send, so that services work without bridge netfilter.
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni",
                "ranges": [[{"subnet": POD_RANGE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def corefile(layout: Layout) -> str:
    """Return CoreDNS's configuration: the cluster's own names and no others."""
    return f"""\
.:53 {{
    bind {NODE_IP}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {layout.inner_kubeconfig("admin")}
        pods insecure
        ttl 1
    }}
}}
"""
