"""The products that the ridge solvers spend their time in, held in the processor's vector registers.

    A[f, g] += sum_j V[j, f] W[j, g]        j = 0 … n - 1, in this order, each step one fused multiply-add           (1)

for a tile of ROWS x (VECTORS x 64 bytes) cells of A. Every cell sees the same operations in the same order whatever the
tile, the processor or the batch, so the bits do not depend on them. The tile is read once, kept in registers while the
rows of V and W pass, and written once (Goto & van de Geijn 2008, section 4); measured on MovieLens-sized rows it is
eight times as fast as the loops that LLVM makes of (1), and as fast as BLAS's own product.

Beside it stand the two halves of W'diag(s) W x on four rows of W, the body of conjugate gradients: `dots` and
`add_rows`.

Letters: V, W (at least n, width) and A (height, width), all C-contiguous and of one type, their widths multiples of
VECTORS x 64 bytes, A's height one of ROWS.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

from palate.kernels.simd.emitter import VECTOR_BYTES, Emitter, call_once_emitted

# 16 sums fit where there are 32 registers of 64 bytes; else 4, each in two of 16 registers of 32 bytes
_SIZES = (8, 2) if llvmlite.binding.get_host_cpu_features().get("avx512f") else (4, 1)
ROWS, VECTORS = map(np.int64, _SIZES)  # of Numba's type: functions are compiled anew for each Python number they get
STEP_BYTES = VECTORS * VECTOR_BYTES  # of columns that one call covers


def add_tile(V, W, A, n, f, g):
    """Add eq. 1 to rows f … f + ROWS - 1 and the STEP_BYTES of columns from g on."""
    step = STEP_BYTES // A.itemsize
    for j in range(n):
        for row in range(f, f + ROWS):
            A[row, g : g + step] += V[j, row] * W[j, g : g + step]


@register_jitable  # called from Python too, where nothing is to be compiled for it
def aligned(height, width, like):
    """Return zeros (height, width) of like's type that begin where a vector does: no load straddles two cache lines."""
    spare = VECTOR_BYTES // like.itemsize
    flat = np.zeros(height * width + spare, like.dtype)
    skip = (-flat.ctypes.data % VECTOR_BYTES) // like.itemsize
    return flat[skip : skip + height * width].reshape(height, width)


def dots(W, j, x, out):
    """Write the inner products of rows j … j + 3 with x into out (4,)."""
    out[:4] = W[j : j + 4] @ x


def add_rows(W, j, factors, out):
    """Add factors[0] W[j], …, factors[3] W[j + 3] to out, one after the other."""
    for row in range(4):
        out += factors[row] * W[j + row]


def are_rows(dtype, *arrays):
    """Return whether these Numba types are arrays of one dtype, their rows one after the other."""
    return all(isinstance(array, types.Array) and array.layout == "C" and array.dtype == dtype for array in arrays)


@overload(add_tile)
def _compiled(V, W, A, n, f, g):
    if not are_rows(A.dtype, V, W, A):
        return None
    return lambda V, W, A, n, f, g: _add_tile(V, W, A, n, f, g)  # type: ignore[call-arg]


def above(scores, start, limit):
    """Return which of the 64 scores from ``start`` on exceed a limit, as the bits of a number, the first one lowest."""
    return np.uint64(sum(1 << n for n in range(64) if scores[start + n] > limit))


@overload(above)
def _compiled_above(scores, start, limit):
    if not (isinstance(scores, types.Array) and scores.dtype == types.float32 and limit == types.float32):
        return None
    if scores.layout != "C":
        return _above_one_by_one
    return lambda scores, start, limit: _above(scores, start, limit)  # type: ignore[call-arg]


def _above_one_by_one(scores, start, limit):
    bits = np.uint64(0)
    for n in range(64):
        bits |= np.uint64(scores[start + n] > limit) << np.uint64(n)
    return bits


@intrinsic
def _above(typing, scores, start, limit):
    """Emit four comparisons of 16 scores, and put their bits together."""

    def build(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        tools = Emitter(builder, context.get_data_type(scores.dtype), 32)
        line, mask = tools.spread(args[2]), tools.whole(0)
        for part in range(4):
            values = tools.load(tools.at(array.data, args[1], part * tools.lanes))
            bits = builder.bitcast(builder.fcmp_ordered(">", values, line), ir.IntType(tools.lanes))
            placed = builder.shl(builder.zext(bits, ir.IntType(64)), tools.whole(part * tools.lanes))
            mask = builder.or_(mask, placed)
        return mask

    return types.uint64(scores, types.intp, types.float32), build


def lowest_bit(bits):
    """Return the place of the lowest bit that is set, from 0; bits is not 0."""
    return (int(bits) & -int(bits)).bit_length() - 1


@overload(lowest_bit)
def _compiled_lowest_bit(bits):
    return lambda bits: _lowest_bit(bits)  # type: ignore[call-arg]


@intrinsic
def _lowest_bit(typing, bits):
    def build(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.intp(types.uint64), build


def subtract_lanes(F, target, by, other, n, stride):
    """Subtract F[by] F[other + j stride] from F[target + j] for j < n; each a vector of the flat F."""
    V = F.reshape(-1, VECTOR_BYTES // F.itemsize)
    for j in range(n):
        V[target + j] -= V[by] * V[other + j * stride]


@overload(subtract_lanes)
def _compiled_subtract_lanes(F, target, by, other, n, stride):
    if not (isinstance(F, types.Array) and F.layout == "C" and F.ndim == 1):
        return None
    return lambda F, target, by, other, n, stride: _subtract_lanes(F, target, by, other, n, stride)  # type: ignore[call-arg]


@intrinsic
def _subtract_lanes(typing, F, target, by, other, n, stride):
    def build(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        tools = Emitter(builder, context.get_data_type(F.dtype), F.dtype.bitwidth)
        step = tools.whole(tools.lanes)
        to, single, source = (tools.at(array.data, builder.mul(place, step)) for place in args[1:4])
        factor = builder.fneg(tools.load(single))
        further = builder.mul(args[5], step)

        def body(j, _):
            place = tools.at(to, builder.mul(j, step))
            value = tools.load(tools.at(source, builder.mul(j, further)))
            tools.store(tools.fma(factor, value, tools.load(place)), place)
            return []

        tools.over(args[4], 1, [], body)
        return context.get_dummy_value()

    return types.void(F, types.intp, types.intp, types.intp, types.intp, types.intp), build


def scale_lanes(F, target, by, n):
    """Multiply F[target + j] by F[by] for j < n; each a vector of the flat F, and F[by] none of those."""
    V = F.reshape(-1, VECTOR_BYTES // F.itemsize)
    V[target : target + n] *= V[by]


@overload(scale_lanes)
def _compiled_scale_lanes(F, target, by, n):
    if not (isinstance(F, types.Array) and F.layout == "C" and F.ndim == 1):
        return None
    return lambda F, target, by, n: _scale_lanes(F, target, by, n)  # type: ignore[call-arg]


@intrinsic
def _scale_lanes(typing, F, target, by, n):
    def build(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        tools = Emitter(builder, context.get_data_type(F.dtype), F.dtype.bitwidth)
        step = tools.whole(tools.lanes)
        to, single = (tools.at(array.data, builder.mul(place, step)) for place in args[1:3])
        factor = tools.load(single)

        def body(j, _):
            place = tools.at(to, builder.mul(j, step))
            tools.store(builder.fmul(factor, tools.load(place)), place)
            return []

        tools.over(args[3], 1, [], body)
        return context.get_dummy_value()

    return types.void(F, types.intp, types.intp, types.intp), build


def copy_row(Q, i, factor, W, V, j):
    """Copy row i of Q into row j of W, and times ``factor`` into row j of V; Q's width is one of whole vectors."""
    width = Q.shape[1]
    W[j, :width] = Q[i]
    V[j, :width] = factor * Q[i]


@overload(copy_row)
def _compiled_copy_row(Q, i, factor, W, V, j):
    if not are_rows(Q.dtype, Q, W, V):
        return None
    return lambda Q, i, factor, W, V, j: _copy_row(Q, i, factor, W, V, j)  # type: ignore[call-arg]


@intrinsic
def _copy_row(typing, Q, i, factor, W, V, j):
    def build(context, builder, signature, args):
        arrays = [context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 3, 4)]
        widths = [cgutils.unpack_tuple(builder, array.shape)[1] for array in arrays]
        tools = Emitter(builder, context.get_data_type(Q.dtype), Q.dtype.bitwidth)
        places = args[1], args[5], args[5]
        source, plain, scaled = (
            tools.at(array.data, builder.mul(width, place))
            for array, width, place in zip(arrays, widths, places, strict=True)
        )
        times = tools.spread(args[2])

        def body(at, _):
            value = tools.load(tools.at(source, at))
            tools.store(value, tools.at(plain, at))
            tools.store(builder.fmul(times, value), tools.at(scaled, at))
            return []

        tools.over(widths[0], tools.lanes, [], body)
        return context.get_dummy_value()

    return types.void(Q, types.intp, Q.dtype, W, V, types.intp), build


@overload(dots)
def _compiled_dots(W, j, x, out):
    if not are_rows(W.dtype, W, x, out):
        return None
    return lambda W, j, x, out: _four_rows(W, j, x, out, False)  # type: ignore[call-arg]


@overload(add_rows)
def _compiled_add_rows(W, j, factors, out):
    if not are_rows(W.dtype, W, factors, out):
        return None
    return lambda W, j, factors, out: _four_rows(W, j, out, factors, True)  # type: ignore[call-arg]


@intrinsic(prefer_literal=True)
def _four_rows(typing, W, j, x, four, add):
    """Emit `dots` (four = W x) or, with ``add``, `add_rows` (x += four' W), for four rows of W from j on."""

    def build(context, builder, signature, args):
        arrays = [context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 2, 3)]
        width = cgutils.unpack_tuple(builder, arrays[0].shape)[1]
        tools = Emitter(builder, context.get_data_type(W.dtype), W.dtype.bitwidth)
        first = builder.mul(args[1], width)
        rows = [tools.at(arrays[0].data, builder.add(first, builder.mul(width, tools.whole(r)))) for r in range(4)]
        (tools.add_rows if add.literal_value else tools.dots)(rows, width, arrays[1].data, arrays[2].data)
        return context.get_dummy_value()

    return types.void(W, types.intp, x, four, add), build


@intrinsic
def _add_tile(typing, V, W, A, n, f, g):
    """Write eq. 1 in LLVM's own words: LLVM does not find this form by itself."""

    def build(context, builder, signature, args):
        arrays = [context.make_array(t)(context, builder, a) for t, a in zip(signature.args[:3], args[:3], strict=True)]
        widths = [cgutils.unpack_tuple(builder, array.shape)[1] for array in arrays]
        scalar, bits = context.get_data_type(A.dtype), A.dtype.bitwidth

        def body(builder, given):
            _emit(Emitter(builder, scalar, bits), ROWS, VECTORS, given[:3], given[3:6], given[6:])

        call_once_emitted(builder, f"palate.add_tile.{bits}", [*(a.data for a in arrays), *widths, *args[3:]], body)
        return context.get_dummy_value()

    return types.void(V, W, A, types.intp, types.intp, types.intp), build


def _emit(tools, n_rows, n_vectors, pointers, widths, bounds):
    """Emit the loop over j with the tile in n_rows x n_vectors registers."""
    builder = tools.builder
    n, f, g = bounds
    places = [(row, part) for row in range(n_rows) for part in range(n_vectors)]
    targets = {
        (row, part): tools.at(
            pointers[2], builder.mul(builder.add(f, tools.whole(row)), widths[2]), g, part * tools.lanes
        )
        for row, part in places
    }
    v_width, w_width = widths[:2]

    def body(j, sums):
        v, w = tools.at(pointers[0], builder.mul(j, v_width), f), tools.at(pointers[1], builder.mul(j, w_width), g)
        parts = [tools.load(tools.at(w, part * tools.lanes)) for part in range(n_vectors)]
        factors = [tools.spread(builder.load(tools.at(v, row))) for row in range(n_rows)]
        return [tools.fma(factors[row], parts[part], total) for (row, part), total in zip(places, sums, strict=True)]

    results = tools.over(n, 1, [tools.load(targets[place]) for place in places], body)
    for place, value in zip(places, results, strict=True):
        tools.store(value, targets[place])
