def test_it(new_model):
    import time

    from tests.lab import apps

    m = new_model()
    t = time.time()
    for a in apps.ALL:
        m.deploy(a)
    print("deploy", time.time() - t)
    t = time.time()
    m.integrate("productpage:details", "details")
    m.integrate("productpage:reviews", "reviews")
    m.integrate("reviews:ratings", "ratings:ratings")
    n = m.settle()
    print("settle", n, time.time() - t)
    print(m.status())
    m.fake_remote(
        "details:service-mesh",
        "beacon",
        {"labels": '{"istio.io/dataplane-mode":"ambient"}', "mesh_type": '"istio"'},
    )
    with m.requests() as seen:
        m.settle()
    print(seen)
    print(m.databag("details:service-mesh"))
    m.destroy()
