// Places for the nodes of a large graph, in a time that grows with its nodes and edges: in layers
// by the longest way from a beginning, within a layer near the neighbours. Prettier layouts take
// half a minute for a thousand steps, in which the page stands still.

const SWEEPS = 6;

/** Return `{places, size}`: the centre of each node by id, and how large the whole is. */
export function layered(nodes, edges, { sizeOf, direction, nodeGap, layerGap }) {
  const [before, after] = neighbours(nodes, edges);
  const layers = ordered(layersOf(nodes, before, after), before, after);
  const isAcross = direction === "LR";
  const sizes = new Map(nodes.map((node) => [node.id, sizeOf(node)]));
  const along = (id) => (isAcross ? sizes.get(id).width : sizes.get(id).height);
  const aside = (id) => (isAcross ? sizes.get(id).height : sizes.get(id).width);
  const breadths = layers.map((ids) => ids.reduce((sum, id) => sum + aside(id) + nodeGap, -nodeGap));
  const breadth = breadths.reduce((most, each) => Math.max(most, each), 0);
  const places = new Map();
  let reached = 0;
  layers.forEach((ids, index) => {
    const depth = ids.reduce((most, id) => Math.max(most, along(id)), 0);
    let next = (breadth - breadths[index]) / 2;
    for (const id of ids) {
      const [far, side] = [reached + depth / 2, next + aside(id) / 2];
      places.set(id, isAcross ? { x: far, y: side } : { x: side, y: far });
      next += aside(id) + nodeGap;
    }
    reached += depth + layerGap;
  });
  const length = Math.max(reached - layerGap, 0);
  return { places, size: isAcross ? { width: length, height: breadth } : { width: breadth, height: length } };
}

function neighbours(nodes, edges) {
  const [before, after] = [0, 1].map(() => new Map(nodes.map((node) => [node.id, []])));
  for (const { source, target } of edges) {
    before.get(target).push(source);
    after.get(source).push(target);
  }
  return [before, after];
}

// What is in a circle, or behind one, comes last: there is no longest way to it.
function layersOf(nodes, before, after) {
  const open = new Map([...before].map(([id, ids]) => [id, ids.length]));
  const layer = new Map();
  const ready = nodes.map(({ id }) => id).filter((id) => !open.get(id));
  for (const id of ready) {
    layer.set(id, before.get(id).reduce((most, each) => Math.max(most, layer.get(each) + 1), 0));
    for (const each of after.get(id)) {
      open.set(each, open.get(each) - 1);
      if (!open.get(each)) ready.push(each);
    }
  }
  const last = [...layer.values()].reduce((most, each) => Math.max(most, each), -1) + 1;
  const layers = [];
  for (const { id } of nodes) (layers[layer.get(id) ?? last] ??= []).push(id);
  return layers;
}

function ordered(layers, before, after) {
  const place = new Map();
  const number = (ids) => ids.forEach((id, index) => place.set(id, (index + 0.5) / ids.length));
  layers.forEach(number);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const sides = sweep % 2 ? after : before;
    for (const ids of sweep % 2 ? [...layers].reverse() : layers) {
      const wanted = new Map(ids.map((id) => [id, mean(sides.get(id), place) ?? place.get(id)]));
      ids.sort((a, b) => wanted.get(a) - wanted.get(b));
      number(ids);
    }
  }
  return layers;
}

function mean(ids, place) {
  if (!ids.length) return undefined;
  return ids.reduce((sum, id) => sum + place.get(id), 0) / ids.length;
}
