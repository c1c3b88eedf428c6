// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the nodes are: dagre places them from left to right inside each model, and then the models.

const GAP = { row: 14, column: 90, group: 80, title: 34, side: 22 };
/** Larger maps are packed, smaller ones are dagre's alone, with its lines around the boxes. */
const SMALL = 36;
const CELL = { width: 220, height: 48, aspect: 1.35 };
/** Boxes beside each other in a column of neighbours. */
const TALLEST = 16;

/** Return a graph of dagre with boxes and links, from left to right. */
function dagreGraph(boxes, links, gaps) {
  const graph = new dagre.graphlib.Graph({ compound: true });
  graph.setGraph({ rankdir: "LR", nodesep: gaps.row, ranksep: gaps.column, edgesep: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const box of boxes) graph.setNode(box.id, { width: box.width, height: box.height });
  for (const link of links) {
    if (link.source === link.target) continue;
    const label = link.width ? { width: link.width, height: 18, labelpos: "c" } : {};
    graph.setEdge(link.source, link.target, label);
  }
  return graph;
}

/** Return the places that dagre gives to boxes: `{id: {x, y}}`, the middle of each. */
function ranked(boxes, links, gaps) {
  const graph = dagreGraph(boxes, links, gaps);
  dagre.layout(graph);
  return Object.fromEntries(boxes.map(({ id }) => [id, { x: graph.node(id).x, y: graph.node(id).y }]));
}

/** Return places and routes, `{key: [point]}`, of a small map: dagre keeps groups and lines apart. */
function clustered(boxes, links) {
  const graph = dagreGraph(boxes, links, { row: boxes.some((box) => box.group !== boxes[0].group) ? 54 : 22, column: 60 });
  for (const box of boxes) {
    if (!box.group) continue;
    graph.setNode(`group ${box.group}`, {});
    graph.setParent(box.id, `group ${box.group}`);
  }
  dagre.layout(graph);
  const routes = {};
  for (const { key, source, target } of links) {
    if (source !== target) routes[key] = graph.edge(source, target).points.slice(1, -1);
  }
  const place = (id) => ({ x: graph.node(id).x, y: graph.node(id).y });
  return { places: Object.fromEntries(boxes.map(({ id }) => [id, place(id)])), routes };
}

/** Return the columns of dagre, packed: tall ones are divided, and short neighbours are joined. */
function packedColumns(boxes, places) {
  const tallest = Math.ceil(Math.sqrt((boxes.length * CELL.width) / CELL.height / CELL.aspect));
  const widest = Math.ceil(boxes.length / tallest) + 2;
  const ranks = new Map();
  for (const box of boxes) {
    const x = Math.round(places[box.id].x);
    if (!ranks.has(x)) ranks.set(x, []);
    ranks.get(x).push(box);
  }
  const byHeight = (a, b) => places[a.id].y - places[b.id].y;
  const columns = [];
  let open = false;
  for (const x of [...ranks.keys()].sort((a, b) => a - b)) {
    const rank = ranks.get(x).sort(byHeight);
    const across = Math.ceil(rank.length / tallest);
    const last = columns[columns.length - 1];
    if (open && ranks.size > widest && last.length + rank.length <= tallest) {
      last.push(...rank);
      last.sort(byHeight);
      continue;
    }
    for (let part = 0; part < across; part += 1) columns.push(rank.filter((_, index) => index % across === part));
    open = across === 1;
  }
  return columns;
}

/** Return the places of many boxes: dagre's order from left to right and from top to bottom, packed. */
function packed(boxes, places) {
  const columns = packedColumns(boxes, places);
  const pitch = Math.max(...boxes.map((box) => box.height)) + GAP.row;
  const result = {};
  let left = 0;
  for (const column of columns) {
    const width = Math.max(...column.map((box) => box.width));
    column.forEach((box, index) => {
      result[box.id] = { x: left + width / 2, y: (index - (column.length - 1) / 2) * pitch };
    });
    left += width + GAP.column;
  }
  return result;
}

/** Return places in rows and columns, for boxes that nothing connects, below `top`. */
function gridded(boxes, top, wide) {
  const width = Math.max(0, ...boxes.map((box) => box.width)) + 2 * GAP.row;
  const height = Math.max(0, ...boxes.map((box) => box.height)) + GAP.row;
  const across = Math.max(1, Math.floor(wide / width), Math.round(Math.sqrt((boxes.length * height * CELL.aspect) / width)));
  return Object.fromEntries(boxes.map((box, index) => [
    box.id,
    { x: (index % across) * width + box.width / 2, y: top + Math.floor(index / across) * height + box.height / 2 },
  ]));
}

/** Return the rectangle around boxes at their places. */
function around(boxes, places) {
  const sides = boxes.map(({ id, width, height }) => ({
    left: places[id].x - width / 2, right: places[id].x + width / 2,
    top: places[id].y - height / 2, bottom: places[id].y + height / 2,
  }));
  return {
    left: Math.min(...sides.map((s) => s.left)), right: Math.max(...sides.map((s) => s.right)),
    top: Math.min(...sides.map((s) => s.top)), bottom: Math.max(...sides.map((s) => s.bottom)),
  };
}

/** Return the places inside one group. */
function placesInside(boxes, links) {
  const ids = new Set(boxes.map((box) => box.id));
  const inside = links.filter((l) => l.source !== l.target && ids.has(l.source) && ids.has(l.target));
  const linked = new Set(inside.flatMap((link) => [link.source, link.target]));
  const connected = boxes.filter((box) => linked.has(box.id));
  const alone = boxes.filter((box) => !linked.has(box.id));
  const places = connected.length ? packed(connected, ranked(connected, inside, GAP)) : {};
  if (!alone.length) return places;
  const used = connected.length ? around(connected, places) : { left: 0, right: 0, bottom: -3 * GAP.row };
  const below = gridded(alone, used.bottom + 3 * GAP.row, used.right - used.left);
  for (const place of Object.values(below)) place.x += used.left;
  return { ...places, ...below };
}

/**
 * Return the places of a large map, group by group.
 *
 * @param boxes `{id, group, width, height}`; a box without a group is placed beside the groups.
 * @param links `{key, source, target}`: the identifiers of two boxes.
 * @param between links that place the groups only.
 */
function grouped(boxes, links, between) {
  const groupOf = new Map(boxes.map((box) => [box.id, box.group || box.id]));
  const groups = new Map();
  for (const box of boxes) {
    const group = groupOf.get(box.id);
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(box);
  }
  const inner = new Map();
  const outer = [];
  for (const [id, members] of groups) {
    const places = placesInside(members, links);
    const rect = around(members, places);
    const margin = members[0].group ? GAP.side : 0;
    const title = members[0].group ? GAP.title : 0;
    inner.set(id, { places, rect, margin, title });
    outer.push({ id, width: rect.right - rect.left + 2 * margin, height: rect.bottom - rect.top + 2 * margin + title });
  }
  const pairs = [...links, ...between].filter((link) => groupOf.has(link.source));
  const outside = pairs.map((link) => ({ source: groupOf.get(link.source), target: groupOf.get(link.target) }));
  const centres = ranked(outer, outside, { row: GAP.group / 2, column: GAP.group });
  const result = {};
  for (const { id, width, height } of outer) {
    const { places, rect, margin, title } = inner.get(id);
    const left = centres[id].x - width / 2 + margin - rect.left;
    const top = centres[id].y - height / 2 + margin + title - rect.top;
    for (const [member, place] of Object.entries(places)) result[member] = { x: place.x + left, y: place.y + top };
  }
  return result;
}

/** Return the places of one box, with its sources to the left and its targets to the right. */
function neighbourhood(middle, sources, targets) {
  const places = { [middle.id]: { x: 0, y: 0 } };
  for (const [boxes, side] of [[sources, -1], [targets, 1]]) {
    const across = Math.ceil(boxes.length / TALLEST);
    const rows = Math.ceil(boxes.length / Math.max(1, across));
    const width = Math.max(0, ...boxes.map((box) => box.width));
    const height = Math.max(0, ...boxes.map((box) => box.height)) + 2 * GAP.row;
    const start = middle.width / 2 + 2.4 * GAP.column + width / 2;
    boxes.forEach((box, index) => {
      places[box.id] = {
        x: side * (start + Math.floor(index / rows) * (width + GAP.column / 2)),
        y: ((index % rows) - (rows - 1) / 2) * height,
      };
    });
  }
  return places;
}
