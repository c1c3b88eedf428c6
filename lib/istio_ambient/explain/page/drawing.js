// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0
//
// Nodes and edges as elements of cytoscape.js, and how they look.

const LETTER = 7.4;
const BOX = { height: 34, least: 96, most: 230 };

/** A map of more lines has no text at them. */
const LABELLED = 16;
const LONGEST_LABEL = 190;

/** Return the text at a line: what is allowed. */
function edgeText(edge) {
  return [...new Set(edge.entries.map(allowed))].join("; ");
}

function labelWidth(text) {
  return Math.min(LONGEST_LABEL, text.length * 6.2) + 16;
}

/** Return the size and the text of a node's box; with `hubs`, more lines make a larger one. */
function boxOf(node, hubs) {
  const model = modelOf(node.name);
  const text = model ? node.name.slice(model.length + 1) : worded(node.name);
  const degree = hubs ? node.from.length + node.to.length : 0;
  const scale = 1 + Math.min(0.9, Math.max(0, degree - 8) / 40);
  const width = Math.min(BOX.most, Math.max(BOX.least, text.length * LETTER + 28)) * scale;
  return { id: node.name, group: model, text, width, height: BOX.height * scale, font: 13 * scale };
}

/**
 * Return the control points of a line from the right of a box to the left of another.
 *
 * They are the points of its route; without one, the line has the shape of an S. cytoscape.js
 * counts them along the straight line (weight) and away from it (distance).
 */
function curve(edge) {
  const [from, to] = [edge.source(), edge.target()];
  const start = { x: from.position("x") + from.width() / 2, y: from.position("y") };
  const end = { x: to.position("x") - to.width() / 2, y: to.position("y") };
  const [dx, dy] = [end.x - start.x, end.y - start.y];
  const length = Math.hypot(dx, dy) || 1;
  const isBetween = ({ x }) => x > start.x + 60 && x < end.x - 60;
  const route = (edge.data("route") ?? []).filter(isBetween);
  const reach = route.length ? 30 : Math.max(50, Math.min(Math.abs(dx) / 2, 220));
  // Two points beside each other make the line pass between them, and level there.
  const level = route.flatMap(({ x, y }) => [{ x: x - reach, y }, { x: x + reach, y }]);
  const points = [{ x: start.x + reach, y: start.y }, ...level, { x: end.x - reach, y: end.y }];
  return {
    weights: points.map(({ x, y }) => ((x - start.x) * dx + (y - start.y) * dy) / length ** 2),
    distances: points.map(({ x, y }) => ((y - start.y) * dx - (x - start.x) * dy) / length),
  };
}

/** Return the style sheet, in the colours of the page's theme. */
function styleSheet() {
  const computed = getComputedStyle(document.documentElement);
  const colour = (name) => computed.getPropertyValue(`--${name}`).trim();
  const ofClients = CLIENTS.flatMap(([client]) => [
    { selector: `edge[client = "${client}"]`, style: { "line-color": colour(client), "target-arrow-color": colour(client) } },
    { selector: `node.dot[client = "${client}"]`, style: { "background-color": colour(client) } },
    { selector: `node.box[client = "${client}"]`, style: { "border-color": colour(client) } },
  ]);
  return [
    {
      selector: "node.box",
      style: {
        shape: "round-rectangle", width: "data(width)", height: "data(height)", label: "data(text)",
        "background-color": colour("box"), "border-width": 1.6, color: colour("ink"), "font-size": "data(font)",
        "font-family": "ui-sans-serif, system-ui, Ubuntu, DejaVu Sans, sans-serif", "text-valign": "center", "text-wrap": "ellipsis",
        "text-max-width": (ele) => ele.data("width") - 14, "min-zoomed-font-size": 5,
      },
    },
    {
      selector: "node.group",
      style: {
        shape: "round-rectangle", "background-color": colour("group"), "border-color": colour("rule"), "border-width": 1,
        padding: GAP.side, label: "data(text)", color: colour("quiet"), "font-size": "data(font)", "font-weight": 600,
        "text-valign": "top", "text-halign": "center", "text-margin-y": -6, "min-zoomed-font-size": 5, events: "no",
      },
    },
    { selector: "node.dot", style: { width: 11, height: 11, label: "", "border-width": 0 } },
    {
      selector: "edge",
      style: {
        width: "data(width)", "curve-style": "unbundled-bezier", "source-endpoint": "90deg", "target-endpoint": "270deg",
        "edge-distances": "endpoints", "control-point-weights": (edge) => curve(edge).weights, "control-point-distances": (edge) => curve(edge).distances,
        "target-arrow-shape": "triangle", "arrow-scale": 0.9, opacity: "data(opacity)",
      },
    },
    { selector: "edge.stub", style: { "curve-style": "straight", "source-endpoint": "outside-to-node", "target-endpoint": "outside-to-node", "arrow-scale": 0.7 } },
    { selector: 'edge[openness = "conditional"]', style: { "line-style": "dashed", "line-dash-pattern": [7, 5] } },
    {
      selector: "edge[text]",
      style: {
        label: "data(text)", color: colour("ink"), "font-size": 11, "text-background-color": colour("paper"),
        "text-background-opacity": 0.92, "text-background-padding": 3, "text-background-shape": "round-rectangle",
        "text-wrap": "ellipsis", "text-max-width": LONGEST_LABEL, "min-zoomed-font-size": 7,
      },
    },
    ...ofClients,
    { selector: "node.closed", style: { "border-style": "dashed", "border-color": colour("quiet"), color: colour("quiet") } },
    { selector: ".faded", style: { opacity: 0.22 } },
    { selector: "edge.faded", style: { opacity: 0.08, "text-opacity": 0 } },
    { selector: "node.found", style: { "background-color": colour("focus"), color: "#1c2530" } },
    { selector: "node.chosen", style: { "border-width": 4, "border-style": "solid" } },
    { selector: "edge.chosen", style: { width: 5, opacity: 1, "z-index": 9 } },
    { selector: "edge.near", style: { opacity: 1, "z-index": 8 } },
  ];
}

/**
 * Return the elements of a whole graph.
 *
 * @param plan `places` by name, `routes` and `labels` by edge, `boxes` by name, and the names of
 *   `wide` sources.
 */
function wholeMap(graph, plan) {
  const elements = [];
  const models = new Map();
  for (const node of graph.nodes.values()) {
    if (!plan.places[node.name]) continue;
    const box = plan.boxes.get(node.name);
    if (box.group) models.set(box.group, (models.get(box.group) ?? 0) + 1);
    elements.push(boxElement(node, box, plan.places[node.name], box.group ? `group ${box.group}` : undefined));
  }
  for (const [model, count] of models) {
    const font = Math.min(60, 16 + count / 6);
    elements.unshift({ group: "nodes", classes: "group", data: { id: `group ${model}`, text: model, font }, selectable: false, grabbable: false });
  }
  const isDense = graph.edges.size > 80;
  const stubs = new Map();
  for (const edge of graph.edges.values()) {
    if (plan.wide.has(edge.source)) {
      const number = stubs.get(edge.target) ?? 0;
      stubs.set(edge.target, number + 1);
      elements.push(...stub(edge, plan, number));
      continue;
    }
    const element = edgeElement(edge, `node ${edge.source}`, isDense ? 0.6 : 0.9);
    element.data.width *= isDense ? 1.4 : 1;
    element.data.route = plan.routes[edge.key];
    if (plan.labels.has(edge.key)) element.data.text = plan.labels.get(edge.key);
    elements.push(element);
  }
  return elements;
}

/** Return a dot at the left of a target, with a short line: a source of many targets. */
function stub(edge, plan, number) {
  const [place, box] = [plan.places[edge.target], plan.boxes.get(edge.target)];
  const up = number % 2 ? 1 : -1;
  const position = { x: place.x - box.width / 2 - 20, y: place.y + up * Math.ceil(number / 2) * 12 };
  const data = { id: `dot ${edge.key}`, client: edge.client, edge: edge.key, parent: box.group ? `group ${box.group}` : undefined };
  return [
    { group: "nodes", classes: "dot", selectable: false, grabbable: false, position, data },
    { ...edgeElement(edge, data.id, 0.9), classes: "stub" },
  ];
}

/** Return the elements of one node, its sources and its targets. */
function nearMap(graph, name, main) {
  const middle = graph.nodes.get(name);
  const sources = [...new Set(middle.from.map((key) => graph.edges.get(key).source))].filter((other) => other !== name);
  const targets = [...new Set(middle.to.map((key) => graph.edges.get(key).target))].filter((other) => other !== name);
  const box = (other, copy) => {
    const made = boxOf(graph.nodes.get(other), false);
    const text = made.group && made.group !== main ? `${made.group}/${made.text}` : made.text;
    const width = Math.min(BOX.most, Math.max(BOX.least, text.length * LETTER + 28));
    return { ...made, id: copy + other, text, width, name: other };
  };
  const [left, right] = [sources.map((other) => box(other, "from ")), targets.map((other) => box(other, "to "))];
  const centre = box(name, "");
  const places = neighbourhood(centre, left, right);
  const elements = [centre, ...left, ...right].map((each) => ({
    ...boxElement(graph.nodes.get(each.name), each, places[each.id]),
  }));
  const few = left.length <= TALLEST && right.length <= TALLEST;
  const line = (key) => {
    const edge = graph.edges.get(key);
    const source = edge.source === name ? centre.id : `from ${edge.source}`;
    const target = edge.target === name ? centre.id : `to ${edge.target}`;
    const text = few ? edgeText(edge) : undefined;
    const element = edgeElement(edge, `node ${source}`, 0.85, `node ${target}`);
    return text ? { ...element, data: { ...element.data, text } } : element;
  };
  return [...elements, ...new Set([...middle.from, ...middle.to])].map((each) => (typeof each === "string" ? line(each) : each));
}

function boxElement(node, box, place, parent) {
  const isClosed = node.isTarget && !node.from.length;
  return {
    group: "nodes", classes: isClosed ? "box closed" : "box", position: { ...place }, grabbable: true,
    data: { id: `node ${box.id}`, name: node.name, parent, text: box.text, width: box.width, height: box.height, font: box.font, client: node.client },
  };
}

function edgeElement(edge, source, opacity, target = `node ${edge.target}`) {
  return {
    group: "edges",
    data: { id: `edge ${edge.key}`, edge: edge.key, source, target, client: edge.client, openness: edge.openness, opacity, width: edge.openness === "open" ? 3.4 : 1.7 },
  };
}
