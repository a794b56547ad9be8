"""The command of each component. Those of Kubernetes, and etcd, are one binary: hyperkube."""

from pathlib import Path

from e2e.cluster.layout import API_PORT, NODE, NODE_IP, SERVICE_RANGE, Layout

__all__ = ["commands"]

# A controller's default of 20 requests a second makes the start 5 s longer.
_QUICK = ("--kube-api-qps=1000", "--kube-api-burst=1000")


def commands(layout: Layout, binaries: Path) -> dict[str, tuple[str, ...]]:
    """Return component → command line."""
    hyperkube = str(binaries / "hyperkube")
    return {
        "etcd": (hyperkube, "etcd", f"--data-dir={layout.data}/etcd"),
        "containerd": ("containerd", "-c", f"{layout.settings}/containerd.toml"),
        "kube-apiserver": (hyperkube, "kube-apiserver", *_api_server(layout)),
        "kube-controller-manager": (
            hyperkube,
            "kube-controller-manager",
            *_controller_manager(layout),
        ),
        "kube-scheduler": (
            hyperkube,
            "kube-scheduler",
            *_delegated(layout, "scheduler"),
            *_QUICK,
        ),
        "kubelet": (
            hyperkube,
            "kubelet",
            f"--config={layout.settings}/kubelet.json",
            f"--kubeconfig={layout.inner_kubeconfig('kubelet')}",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_IP}",
        ),
        "kube-proxy": (hyperkube, "kube-proxy", f"--config={layout.settings}/kube-proxy.json"),
        "coredns": (str(binaries / "coredns"), "-conf", f"{layout.settings}/Corefile"),
    }


def _api_server(layout: Layout) -> tuple[str, ...]:
    pki = layout.certificates
    return (
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={NODE_IP}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/accounts.pub",
        f"--service-account-signing-key-file={pki}/accounts.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy.crt",
        f"--proxy-client-key-file={pki}/front-proxy.key",
        f"--audit-policy-file={layout.settings}/audit.json",
        f"--audit-log-path={layout.audit}",
    )


def _controller_manager(layout: Layout) -> tuple[str, ...]:
    pki = layout.certificates
    return (
        *_delegated(layout, "controller-manager"),
        *_QUICK,
        f"--service-account-private-key-file={pki}/accounts.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--use-service-account-credentials",
        # By default a node may wait 5 s to be seen.
        "--node-monitor-period=1s",
    )


def _delegated(layout: Layout, user: str) -> tuple[str, ...]:
    file = layout.inner_kubeconfig(user)
    return (
        f"--kubeconfig={file}",
        f"--authentication-kubeconfig={file}",
        f"--authorization-kubeconfig={file}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    )
