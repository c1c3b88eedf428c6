// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0
//
// What the page shows, as plain values: nodes and edges of one mode, made of entries of list-access.

const data = JSON.parse(document.getElementById("data").textContent);
/** Classes of clients, in the order of the legend; the words are those of the other forms of the list. */
const CLIENTS = [
  ["identity", "an application"],
  ["gateway", "an ingress gateway"],
  ["mesh", data.words["*/*"]],
  ["outside", data.words.outside],
  ["any", data.words["*"]],
];
/** A source of more targets is drawn as a dot at each of them: lines would hide the others. */
const WIDE = 12;

/** Return the words for a name: `shop/*` is the whole of a model. */
function worded(name) {
  if (Object.hasOwn(data.words, name)) return data.words[name];
  return name.endsWith("/*") ? `every source in ${name.slice(0, -2)}` : name;
}

/** Return the model of a name; empty for a class of clients, which is in none. */
function modelOf(name) {
  const slash = name.indexOf("/");
  return slash < 1 || name.endsWith("/*") ? "" : name.slice(0, slash);
}

/** Return what one entry allows, in words. */
function allowed(entry) {
  const ports = entry.ports ?? [];
  const others = entry["other-than"] ?? [];
  const on = ports.length ? ` on ${ports.join(", ")}` : others.length ? ` on ports other than ${others.join(", ")}` : "";
  return entry.operations + on;
}

/** Return how an edge of these entries is drawn: `open`, `limited` or `conditional`. */
function opennessOf(entries) {
  if (entries.every((entry) => entry.unless.length)) return "conditional";
  const isOpen = (entry) => entry.operations === data.words.everything && !entry.unless.length;
  return entries.some(isOpen) ? "open" : "limited";
}

/** The widest class of these entries decides about the colour of their edge. */
function clientOf(entries) {
  const order = CLIENTS.map(([client]) => client);
  return order[Math.max(0, ...entries.map((entry) => order.indexOf(entry.client)))];
}

/**
 * Return nodes and edges of one mode, each by its identifier.
 *
 * A node is a name; an edge is all that one source may do at one target. Entries without a source
 * name a target that no client reaches.
 */
function graphOf(entries) {
  const nodes = new Map();
  const edges = new Map();
  const node = (name) => {
    if (!nodes.has(name)) nodes.set(name, { name, client: "identity", from: [], to: [], isTarget: false });
    return nodes.get(name);
  };
  for (const entry of entries) {
    const target = node(entry.target);
    target.isTarget = true;
    if (entry.source === null) continue;
    const source = node(entry.source);
    const key = JSON.stringify([entry.source, entry.target]);
    if (!edges.has(key)) {
      edges.set(key, { key, source: entry.source, target: entry.target, entries: [] });
      source.to.push(key);
      target.from.push(key);
    }
    edges.get(key).entries.push(entry);
    if (entry.client !== "identity") source.client = entry.client;
  }
  for (const edge of edges.values()) {
    edge.client = clientOf(edge.entries);
    edge.openness = opennessOf(edge.entries);
  }
  return { nodes, edges };
}
