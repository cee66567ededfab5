"""Signed distances (mm, negative inside) of the solids that the head is built from; compiled, scalar."""

from __future__ import annotations

import math

from qsmnode.engine.compiled import compiled


@compiled
def ellipsoid(x: float, y: float, z: float, rx: float, ry: float, rz: float) -> float:
    """Distance to an ellipsoid at the origin; first-order exact at its surface."""
    ux, uy, uz = x / rx, y / ry, z / rz
    near = math.sqrt(ux * ux + uy * uy + uz * uz)
    slope = math.sqrt((ux / rx) ** 2 + (uy / ry) ** 2 + (uz / rz) ** 2)
    if slope < 1e-9:
        return -min(rx, ry, rz)
    return near * (near - 1.0) / slope


@compiled
def capsule(
    x: float,
    y: float,
    z: float,
    ax: float,
    ay: float,
    az: float,
    bx: float,
    by: float,
    bz: float,
    ra: float,
    rb: float,
) -> float:
    """Distance to a tapered capsule from a (radius ra) to b (radius rb)."""
    dx, dy, dz = bx - ax, by - ay, bz - az
    length2 = dx * dx + dy * dy + dz * dz
    t = 0.0
    if length2 > 0.0:
        t = ((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / length2
        t = min(1.0, max(0.0, t))
    ex, ey, ez = x - ax - t * dx, y - ay - t * dy, z - az - t * dz
    return math.sqrt(ex * ex + ey * ey + ez * ez) - (ra + t * (rb - ra))


@compiled
def smooth_union(a: float, b: float, reach: float) -> float:
    """Union whose crease is rounded over ``reach`` mm."""
    t = min(1.0, max(0.0, 0.5 + 0.5 * (b - a) / reach))
    return b + t * (a - b) - reach * t * (1.0 - t)


@compiled
def smooth_cut(a: float, b: float, reach: float) -> float:
    """Intersection whose edge is rounded over ``reach`` mm."""
    return float(-smooth_union(-a, -b, reach))


@compiled
def coverage(distance: float, edge_mm: float) -> float:
    """Fraction of a voxel of width ``edge_mm`` inside a surface at ``distance``."""
    return min(1.0, max(0.0, 0.5 - distance / edge_mm))


@compiled
def wave(turns: float) -> float:
    """A sine of ``turns`` within 0.1 %, several times faster: shapes need no better one."""
    u = 2.0 * (turns - math.floor(turns + 0.5))
    y = 4.0 * u * (1.0 - abs(u))
    return float(y + 0.225 * y * (abs(y) - 1.0))


@compiled
def sheet_distance(x: float, y: float, z: float, wavelength: float, phase: float) -> float:
    """Distance (mm, unsigned, first order) to a gyroid's folded sheets, half a wavelength apart."""
    k = 2.0 * math.pi / wavelength
    u, v, w, shift = x / wavelength, y / wavelength, z / wavelength, phase / (2.0 * math.pi)
    sx, cx = wave(u + shift), wave(u + shift + 0.25)
    sy, cy = wave(v), wave(v + 0.25)
    sz, cz = wave(w - shift), wave(w - shift + 0.25)
    level = sx * cy + sy * cz + sz * cx
    gx, gy, gz = cx * cy - sz * sx, cy * cz - sx * sy, cz * cx - sy * sz
    return float(abs(level) / (k * math.sqrt(gx * gx + gy * gy + gz * gz + 0.05)))
