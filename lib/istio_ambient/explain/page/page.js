// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0
//
// The page: what is shown follows from one state, and each control changes that state.

const element = (id) => document.getElementById(id);

const state = { hardened: data.hardened, only: "", name: "", edge: "", query: "", hidden: new Set() };
const graphs = new Map([false, true].map((mode) => [mode, graphOf(data.entries.filter((e) => e.hardened === mode))]));
/** Below this zoom, texts on the map are too small to be read. */
const LEGIBLE = 0.6;

const plan = planned(graphOf(data.entries));

const cy = cytoscape({
  container: element("map"), elements: [], style: [], layout: { name: "preset" },
  minZoom: 0.05, maxZoom: 3, boxSelectionEnabled: false, autounselectify: true,
});

/** Return where everything is: boxes stay in place when the mode changes, so both modes count. */
function planned(both) {
  const nodes = [...both.nodes.values()];
  const edges = [...both.edges.values()];
  const wide = new Set(nodes.filter((node) => node.to.length > WIDE).map((node) => node.name));
  const boxes = new Map(nodes.map((node) => [node.name, boxOf(node, nodes.length > SMALL)]));
  const drawn = [...boxes.values()].filter((box) => !wide.has(box.id) || modelOf(box.id));
  const labels = new Map(edges.length > LABELLED ? [] : edges.map((edge) => [edge.key, edgeText(edge)]));
  const [wideLinks, links] = [true, false].map((isWide) => edges.filter((edge) => wide.has(edge.source) === isWide).map(
    ({ key, source, target }) => ({ key, source, target, width: labels.has(key) ? labelWidth(labels.get(key)) : 0 })));
  const laid = drawn.length > SMALL
    ? { places: grouped(drawn, links, wideLinks), routes: {} }
    : clustered(drawn, links);
  return { ...laid, both, wide, boxes, labels };
}

/** Return nodes and edges of the mode, without those of hidden classes. */
function visibleGraph() {
  const shown = (entry) => entry.hardened === state.hardened && (entry.source === null || !state.hidden.has(entry.client));
  const graph = graphOf(data.entries.filter(shown));
  for (const node of graph.nodes.values()) {
    // A target whose sources are hidden is not one without a client.
    const full = graphs.get(state.hardened).nodes.get(node.name);
    node.client = full.client;
    node.hasHidden = full.from.length > node.from.length;
  }
  return graph;
}

/** Draw the map anew: for another mode, other classes, or another choice of what is shown. */
function draw(fit) {
  const graph = visibleGraph();
  if (state.only && !graph.nodes.has(state.only)) state.only = "";
  if (state.name && !graph.nodes.has(state.name)) state.name = "";
  if (state.edge && !graph.edges.has(state.edge)) state.edge = "";
  const elements = state.only
    ? nearMap(graph, state.only, data.model)
    : wholeMap(graph, plan);
  cy.batch(() => {
    cy.elements().remove();
    cy.add(elements);
    for (const node of graph.nodes.values()) {
      if (node.hasHidden) cy.nodes(".box").filter((n) => n.data("name") === node.name).removeClass("closed");
    }
  });
  if (fit) cy.fit(undefined, 30);
  if (fit && cy.zoom() > 1.3) cy.zoom(1.3).center();
  mark(graph);
  show(graph);
}

function foundNames(graph) {
  const query = state.query.trim().toLowerCase();
  return query ? [...graph.nodes.keys()].filter((name) => worded(name).toLowerCase().includes(query)) : null;
}

/** Mark what is chosen or found, and fade the rest. */
function mark(graph) {
  cy.batch(() => {
    cy.elements().removeClass("faded found chosen near");
    const found = foundNames(graph);
    if (found) {
      const names = new Set(found);
      cy.nodes(".box").forEach((node) => node.addClass(names.has(node.data("name")) ? "found" : "faded"));
      cy.edges().addClass("faded");
      cy.nodes(".dot").addClass("faded");
    }
    if (state.edge) keep(cy.edges().filter((edge) => edge.data("edge") === state.edge).addClass("chosen"));
    else if (state.name && !state.only) {
      const keys = new Set([...graph.nodes.get(state.name).from, ...graph.nodes.get(state.name).to]);
      keep(cy.edges().filter((edge) => keys.has(edge.data("edge"))).addClass("near"));
      cy.nodes(".box").filter((node) => node.data("name") === state.name).removeClass("faded").addClass("chosen");
    }
  });
}

function keep(edges) {
  cy.elements(".box, .dot, edge").addClass("faded");
  edges.removeClass("faded");
  edges.connectedNodes().removeClass("faded");
}

/** Fill the panel. */
function show(graph) {
  const actions = { choose, chooseEdge, showOnly, close: () => update({ name: state.only, edge: "" }) };
  const closing = { ...actions, close: () => update({ name: "", edge: "", only: "" }, true) };
  let content;
  if (state.edge) content = edgePanel(graph.edges.get(state.edge), actions);
  else if (state.name) content = namePanel(graph, graph.nodes.get(state.name), Boolean(state.only), closing);
  else content = overviewPanel(graph, foundNames(graph), data, choose);
  element("panel").replaceChildren(...content.filter(Boolean));
  element("panel").scrollTop = 0;
  element("filter").value = state.only;
  element("mode").textContent = state.hardened === data.hardened
    ? `${state.hardened ? "on" : "off"}, as now`
    : `${state.hardened ? "on" : "off"}: a preview`;
  counts();
}

function update(changes, redraw = false) {
  const before = state.only;
  Object.assign(state, changes);
  if (redraw) return draw(before !== state.only);
  const graph = visibleGraph();
  mark(graph);
  show(graph);
}

function choose(name) {
  if (state.only && state.only !== name) return showOnly(name);
  update({ name, edge: "" });
  const near = cy.elements(".near").connectedNodes().union(cy.nodes(".chosen"));
  if (!state.only && near.length && cy.zoom() < LEGIBLE) {
    cy.animate({ fit: { eles: near, padding: 90 }, duration: 250, complete: () => { if (cy.zoom() > 1.3) cy.zoom(1.3).center(near); } });
  }
}

function chooseEdge(key) {
  update({ edge: key });
}

function showOnly(name) {
  element("search").value = "";
  update({ only: name, name, edge: "", query: "" }, true);
}

function counts() {
  for (const [client] of CLIENTS) {
    const edges = [...graphs.get(state.hardened).edges.values()].filter((edge) => edge.entries.some((e) => e.client === client));
    const label = document.querySelector(`#legend label[data-client="${client}"]`);
    label.hidden = ![...plan.both.edges.values()].some((edge) => edge.entries.some((e) => e.client === client));
    label.querySelector(".count").textContent = String(edges.length);
  }
}

function legend() {
  element("legend").append(made("span", "title", "from"));
  for (const [client, text] of CLIENTS) {
    const box = made("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      state.hidden[box.checked ? "delete" : "add"](client);
      draw(false);
    });
    const label = made("label", "", box, swatch(client), text, made("span", "count"));
    label.dataset.client = client;
    element("legend").append(label);
  }
  const line = (kind, text) => made("span", "sample", made("i", `line ${kind}`), text);
  element("legend").append(
    made("span", "title", "may do"), line("open", data.words.everything), line("limited", "some requests"),
    line("conditional", "with exceptions"), line("none", "no client"),
    plan.wide.size ? made("span", "sample", swatch("identity"), `dot: a source of more than ${WIDE} targets`) : "");
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  cy.style(styleSheet());
}

function saveImage() {
  const background = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
  const blob = cy.png({ output: "blob", full: true, scale: 2, maxWidth: 8000, maxHeight: 8000, bg: background });
  const link = made("a");
  link.href = URL.createObjectURL(blob);
  link.download = "who-may-reach-whom.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function start() {
  element("scope").textContent = data.scope;
  document.title = `Who may reach whom, ${data.scope}`;
  element("filter").append(new Option("everything", ""));
  for (const name of [...plan.both.nodes.keys()].sort()) element("filter").append(new Option(`only ${worded(name)}`, name));
  element("hardened").checked = state.hardened;
  legend();
  theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  element("search").addEventListener("input", (event) => update({ query: event.target.value, name: state.only, edge: "" }));
  element("search").addEventListener("keydown", (event) => {
    const found = event.key === "Enter" ? foundNames(visibleGraph()) : null;
    if (!found || !found.length) return;
    showOnly(found[0]);
  });
  element("filter").addEventListener("change", (event) => showOnly(event.target.value));
  element("hardened").addEventListener("change", (event) => {
    state.hardened = event.target.checked;
    draw(false);
  });
  element("fit").addEventListener("click", () => cy.animate({ fit: { padding: 30 }, duration: 200 }));
  element("image").addEventListener("click", saveImage);
  element("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  cy.on("tap", "node.box", (event) => choose(event.target.data("name")));
  cy.on("dbltap", "node.box", (event) => showOnly(event.target.data("name")));
  cy.on("tap", "node.dot, edge", (event) => chooseEdge(event.target.data("edge")));
  cy.on("tap", (event) => { if (event.target === cy) update({ name: state.only, edge: "" }); });
  cy.on("mouseover", "node.box, node.dot, edge", () => { element("map").style.cursor = "pointer"; });
  cy.on("mouseout", () => { element("map").style.cursor = ""; });
  draw(true);
  document.documentElement.dataset.ready = "true";
}

start();
