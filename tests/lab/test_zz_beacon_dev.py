from tests.lab import apps, juju, suite


def test_smoke(cluster):
    c = juju.Controller()
    mesh = juju.Model(cluster, "istio-system", controller=c)
    mesh.deploy(suite.CHARMS / "istio-k8s")
    mesh.settle()
    shop = juju.Model(cluster, "shop", controller=c)
    shop.deploy(suite.CHARMS / "istio-beacon-k8s")
    for a in apps.ALL:
        shop.deploy(a)
    shop.integrate("productpage:details", "details:details")
    for a in apps.ALL:
        shop.integrate(f"{a.name}:service-mesh", "istio-beacon-k8s:service-mesh")
    shop.settle()
    print(shop.status(), mesh.status())
    print(shop.logs("istio-beacon-k8s/0")[-20:])
    mesh.wait_active(timeout=60)
    shop.wait_active(timeout=60)
    print(shop.status(), mesh.status())
    with shop.requests("istio-beacon-k8s/0") as seen:
        shop.emit("istio-beacon-k8s/0", "update-status")
    print(seen.by_kind(), len(seen.reads), seen.writes)
    for r in seen.reads:
        print(r)
