# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Run the demo; exit status 0 only when every request got the expected verdict."""

import functools
import json
import shutil
import sys

import rich.console
import rich.status

from tests import lab, ztunnel
from tests.lab import _binaries, backend, juju
from tests.lab.demo import _show
from tests.scenarios import bookshop
from tests.scenarios.site import Outcome, Site

PICTURE = backend.ROOT / "build" / "who-may-reach-whom.svg"
PAGE = PICTURE.with_suffix(".html")


def main() -> int:
    """Run the demo; return the exit status."""
    console = _show.console()
    console.rule("[bold]Charmed Istio[/]: three charms and a bookshop")
    starting = "starting etcd, the Kubernetes control plane and the lab's kubelet"
    with console.status(starting) as status, lab.Cluster() as cluster:
        controller = backend.LabBackend(cluster, functools.partial(juju.Model, cluster))
        shown = Site(controller)
        deploy(console, status, shown)
        for model in controller.models:
            console.print(model.juju.status())
        outcomes = send_requests(console, status, shown)
        left = remove(console, status, shown)
    unexpected = sum(not outcome.as_expected for outcome in outcomes) + len(left)
    not_run = sum(not outcome.ran for outcome in outcomes)
    ran = len(outcomes) - not_run
    if not_run:
        console.print(
            f"{not_run} not run. To run them, {ztunnel.how_to_get(_binaries.cache_folder())}",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    expected = ran - sum(not outcome.as_expected for outcome in outcomes)
    console.print(f"demo: {expected} requests as expected, {unexpected} not")
    return 1 if unexpected else 0


def deploy(console: rich.console.Console, status: rich.status.Status, shown: Site) -> None:
    """Deploy, and print each step."""
    for step in shown.deploy():
        status.update(f"juju deploy — {step}")
        console.print(f"[green]✓[/] {step}")


def send_requests(
    console: rich.console.Console, status: rich.status.Status, shown: Site
) -> list[Outcome]:
    """Send the requests of every scene, and print the allowed access."""
    outcomes: list[Outcome] = []
    for scene in bookshop.scenes():
        status.update(f"juju config — {scene.title}")
        shown.enter(scene)
        table = _show.requests_table(scene.title)
        for request in scene.requests:
            status.update(f"{scene.title}: {request.source} → {request.target} {request.path}")
            outcome = shown.send(request)
            outcomes.append(outcome)
            _show.add_outcome(table, outcome)
        console.print()
        console.print(table)
        if scene.managed and scene.auto_allow:
            listed = json.loads(shown.list_access("json"))
            console.print()
            console.print(_show.access_table(listed, f"Who may reach whom, {scene.title}"))
            if scene.hardened:
                save_picture(console, shown)
                explain(console, shown, scene)
    return outcomes


def save_picture(console: rich.console.Console, shown: Site) -> None:
    """Save the allowed access as a picture, and as an interactive page."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(shown.list_access("svg"))
    page = shown.run_beacon_action("list-access", {"format": "html"})
    shutil.copyfile(page["file"], PAGE)
    console.print(
        f"\nThe same as a picture: {PICTURE.relative_to(backend.ROOT)}"
        f"\nand as a map for a browser: {PAGE.relative_to(backend.ROOT)}\n"
    )


def explain(console: rich.console.Console, shown: Site, scene: bookshop.Scene) -> None:
    """Print the explanation of a refused request."""
    refused = next(r for r in scene.requests if r.expect is bookshop.Expect.FORBIDDEN)
    console.print(_show.explanation(shown.explain(refused, "table")))


def remove(console: rich.console.Console, status: rich.status.Status, shown: Site) -> list[str]:
    """Remove all applications; return the objects that remain."""
    for step in shown.remove():
        status.update(f"juju remove-application {step}")
    left = shown.leftovers()
    if left:
        console.print("[bold red]✗ objects that remain:[/]", *left, sep="\n  ")
    else:
        console.print("\n[green]✓[/] all applications removed: only CRDs remain of their objects")
    return left


if __name__ == "__main__":
    sys.exit(main())
