/* Points of a plane: which one is near, which lies in a direction, and what part of the plane is seen. */

/** Return the place of the plane under a pointer. @param {SVGSVGElement} svg @param {number[]} seen x, y, width, height @param {PointerEvent} event */
export function box(svg, [x, y, width, height], event) {
  const edges = svg.getBoundingClientRect();
  return { x: x + ((event.clientX - edges.left) / edges.width) * width, y: y + ((event.clientY - edges.top) / edges.height) * height };
}

/** Return the nearest point, null where none is near enough. @param {{x: number, y: number}[]} points @param {{x: number, y: number}} place @param {number} most */
export function nearest(points, place, most) {
  let found = null;
  let least = most * most;
  for (const point of points) {
    const far = (point.x - place.x) ** 2 + (point.y - place.y) ** 2;
    if (far < least) [found, least] = [point, far];
  }
  return found;
}

/** Return the nearest point that lies more or less in a direction. @param {{x: number, y: number}[]} points @param {{x: number, y: number}} from @param {number[]} direction */
export function inDirection(points, from, [right, down]) {
  let found = null;
  let least = Infinity;
  for (const point of points) {
    const dx = point.x - from.x;
    const dy = point.y - from.y;
    const ahead = dx * right + dy * down;
    const aside = Math.abs(dx * down) + Math.abs(dy * right);
    const far = ahead + 2 * aside;
    if (ahead > 0 && aside <= ahead && far < least) [found, least] = [point, far];
  }
  return found;
}

/** Return the part that is seen, closer by a factor and around a point. @param {number[]} seen @param {number} factor @param {{x: number, y: number}} around */
export function zoomed([, , width, height], factor, around) {
  const [w, h] = [width, height].map((of) => Math.min(2.12, Math.max(0.15, of * factor)));
  return w === 2.12 ? [-1.06, -1.06, w, h] : [around.x - w / 2, around.y - h / 2, w, h];
}

/** Return the part that is seen, moved so that a point is in it. @param {number[]} seen @param {{x: number, y: number}} point */
export function moved([x, y, width, height], point) {
  const inside = point.x > x && point.x < x + width && point.y > y && point.y < y + height;
  return inside ? [x, y, width, height] : [point.x - width / 2, point.y - height / 2, width, height];
}
