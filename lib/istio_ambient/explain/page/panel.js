// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0
//
// The panel: the same as the map, as text. Whatever names hold, they become text and never markup.

/** Return an element with text or elements inside. */
function made(tag, className, ...inside) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...inside.filter((each) => each !== undefined && each !== null));
  return element;
}

function button(text, onClick) {
  const element = made("button", "", text);
  element.type = "button";
  element.addEventListener("click", onClick);
  return element;
}

function swatch(client) {
  return made("span", `swatch ${client}`);
}

/** Return a row that can be chosen: a swatch, a name, what is below it, and a note on the right. */
function row(client, name, what, note, onClick) {
  const words = made("span", "name", name, what ? made("span", "what", what) : null);
  const element = made("button", "row", swatch(client), words, note ? made("span", "note", note) : null);
  element.type = "button";
  element.addEventListener("click", onClick);
  return made("li", "", element);
}

function plural(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Return the panel's content where nothing is chosen: all names that the search finds. */
function overviewPanel(graph, found, read, choose) {
  const targets = [...graph.nodes.values()].filter((node) => node.isTarget);
  const closed = targets.filter((node) => !node.from.length).length;
  const all = found ? found : [...graph.nodes.keys()];
  const names = all.sort((a, b) => Number(Boolean(modelOf(a))) - Number(Boolean(modelOf(b))) || a.localeCompare(b));
  const list = made("ul", "names", ...names.map((name) => {
    const node = graph.nodes.get(name);
    const isClosed = node.isTarget && !node.from.length;
    const note = [node.from.length ? `← ${node.from.length}` : isClosed ? "no client" : "", node.to.length ? `→ ${node.to.length}` : ""];
    return row(node.client, worded(name), "", note.filter(Boolean).join("  "), () => choose(name));
  }));
  const text = `${plural(targets.length, "target")}, ${plural(graph.edges.size, "pair")} of source and target. ` +
    `${plural(closed, "target has", "targets have")} no client. The cluster was read at ${read.made}.`;
  return [
    made("h2", "", found ? plural(found.length, "name") + " found" : "Everything"),
    made("p", "", text),
    made("p", "", "Click a box or a line of the map, or a name: ← sources that may reach it, → targets that it may reach."),
    read.aboutNodes ? made("p", "", `Beside: ${read.aboutNodes}.`) : null,
    read.notWeighed.length ? made("p", "", `Not weighed: ${read.notWeighed.join("; ")}.`) : null,
    list,
  ];
}

/** Return the panel's content for one name: who may reach it, and whom it may reach. */
function namePanel(graph, node, isAlone, actions) {
  const rows = (keys, end) => made("ul", "", ...keys.map((key) => {
    const edge = graph.edges.get(key);
    return row(edge.client, worded(edge[end]), edgeText(edge), edge.openness === "limited" ? "" : edge.openness, () => actions.chooseEdge(key));
  }));
  const tools = made("div", "tools",
    isAlone ? button("Show everything", () => actions.showOnly("")) : button("Show only this", () => actions.showOnly(node.name)),
    button("Close", actions.close));
  return [
    made("h2", "", worded(node.name)),
    tools,
    node.isTarget ? made("h3", "", node.from.length ? `May be reached by ${node.from.length}` : "May be reached by no client") : null,
    rows(node.from, "source"),
    made("h3", "", node.to.length ? `May reach ${node.to.length}` : "May reach no target of its own right"),
    rows(node.to, "target"),
  ];
}

/** Return the panel's content for one edge: what is allowed, by which relation and policy. */
function edgePanel(edge, actions) {
  const parts = edge.entries.map((entry) => {
    const list = made("dl", "");
    const add = (term, text, className = "") => list.append(made("dt", "", term), made("dd", className, text));
    add("allowed", allowed(entry), "strong");
    for (const text of entry.unless) add("but not", text);
    if ((entry.excluded ?? []).length) add("except", entry.excluded.map(worded).join(", "));
    const pods = (entry.pods ?? []).length ? ` ${entry.pods.join(", ")}` : "";
    add("at", entry.by === "pods" ? `the pods' own addresses, past the waypoint${pods}` : "the Service");
    add("decided by", entry.proxy ? entry.proxy : "no proxy of the mesh is on the way");
    if (!entry.policies.length) add("policy", "none applies: without a policy, every request is allowed");
    const origins = entry.origins ?? [];
    // One origin for each policy, in the same order. Its annotations are what anybody may write.
    entry.policies.forEach((policy, index) => {
      add("policy", policy);
      const origin = origins[index];
      if (!origin) return;
      const written = origin["owner-is-certain"] ? "written by" : "says it was written by";
      if (origin.owner) add(written, origin.owner);
      else add("written by", "none of these charms");
      for (const request of origin["requested-by"]) add("says it was requested by", request);
    });
    return list;
  });
  return [
    made("h2", "", `${worded(edge.source)} → ${worded(edge.target)}`),
    made("div", "tools",
      button("Source", () => actions.choose(edge.source)),
      button("Target", () => actions.choose(edge.target)),
      button("Close", actions.close)),
    ...parts,
  ];
}
