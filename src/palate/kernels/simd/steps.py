"""What a step of stochastic gradient descent does to rows of factors, by whole vectors.

Each function stands for a line or two of Python that LLVM turns into loops with checks of their own; here they are
loads, fused multiply-adds and stores. But for `product`, a row's width is one of whole vectors (`padded_width`);
numbers beyond the factors are zero and stay so.

Letters: P, Q (n_rows, width), C-contiguous and of one type; rows u of P, i and j of Q; i is not j.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from palate.kernels.simd.emitter import VECTOR_BYTES, Emitter

KEPT = 8  # vectors of each of two rows that stay in registers, of which there are 32 where vectors have 64 bytes


def padded_width(n_factors: int, itemsize: int) -> int:
    """Return the least width of whole vectors that holds this many numbers."""
    lanes = VECTOR_BYTES // itemsize
    return -(-n_factors // lanes) * lanes


def padded_rows(n_rows: int, n_factors: int, dtype: Any) -> NDArray[Any]:
    """Return zeros (n_rows, padded_width) that begin where a vector does: none straddles two cache lines."""
    kind = np.dtype(dtype)
    width, spare = padded_width(n_factors, kind.itemsize), VECTOR_BYTES // kind.itemsize
    flat = np.zeros(n_rows * width + spare, kind)
    skip = -flat.ctypes.data % VECTOR_BYTES // kind.itemsize
    return flat[skip : skip + n_rows * width].reshape(n_rows, width)


def product(P, u, Q, i):
    """Return p_u . q_i."""
    return P[u] @ Q[i]


def difference_product(P, u, Q, i, j):
    """Return p_u . (q_i - q_j)."""
    return P[u] @ (Q[i] - Q[j])


def step_pair(P, u, Q, i, value, base, shrink, rate):
    """Return e = value - (base + p_u . q_i), and take the step of it.

    With step = rate e, p_u becomes shrink p_u + step q_i and q_i shrink q_i + step p_u, both of the old values. Rows of
    up to KEPT vectors are read once: they stay in registers between the product and the step.
    """
    e = value - (base + P[u] @ Q[i])
    step = P.dtype.type(rate * e)
    P[u], Q[i] = shrink * P[u] + step * Q[i], shrink * Q[i] + step * P[u]
    return e


def step_triple(P, u, Q, i, j, shrinks, step):
    """Replace p_u by s0 p_u + step (q_i - q_j), q_i by s1 q_i + step p_u, q_j by s2 q_j - step p_u, of old values."""
    p = P[u].copy()
    P[u] = shrinks[0] * p + step * (Q[i] - Q[j])
    Q[i] = shrinks[1] * Q[i] + step * p
    Q[j] = shrinks[2] * Q[j] - step * p


def step_one(P, u, Q, i, j, shrink, step):
    """Replace p_u by shrink p_u + step (q_i - q_j)."""
    P[u] = shrink * P[u] + step * (Q[i] - Q[j])


def add_row(P, u, M, factor):
    """Add factor M[u] to P[u]."""
    P[u] += factor * M[u]


def fetch_row(P, u):
    """Ask for row u of P to be brought near, while other work goes on; nothing changes."""


def _rows_of_vectors(*arrays):
    first = arrays[0]
    return all(
        isinstance(a, types.Array) and a.layout == "C" and a.ndim == 2 and a.dtype == first.dtype for a in arrays
    )


class _Rows:
    """Pointers to rows of arrays of one width, and the words to work on them."""

    def __init__(self, context, builder, signature, args, places):
        kinds = signature.args
        self.builder = builder
        self.tools = Emitter(builder, context.get_data_type(kinds[0].dtype), kinds[0].dtype.bitwidth)
        self.rows = []
        for array, row in places:
            made = context.make_array(kinds[array])(context, builder, args[array])
            width = cgutils.unpack_tuple(builder, made.shape)[1]
            self.rows.append(self.tools.at(made.data, builder.mul(width, args[row])))
        self.width = builder.and_(width, self.tools.whole(-self.tools.lanes))

    def sums(self, body):
        """Return the sum over all parts of body(sum, parts of the rows): two sums side by side would gain nothing."""
        tools = self.tools

        def inside(at, values):
            return [body(values[0], *[tools.load(tools.at(row, at)) for row in self.rows])]

        return tools.total(tools.over(self.width, tools.lanes, [tools.zeros()], inside)[0])

    def replace(self, body):
        """Write body(parts of the rows) over the first of the rows, as many as it returns."""
        tools = self.tools

        def inside(at, _):
            places = [tools.at(row, at) for row in self.rows]
            news = body(*[tools.load(place) for place in places])
            for place, new in zip(places, news, strict=False):
                tools.store(new, place)
            return []

        tools.over(self.width, tools.lanes, [], inside)

    def touch(self):
        """Ask for the first of the rows, to be written, in the nearest cache."""
        tools, number, byte = self.tools, ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        ask = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        words = [ir.Constant(number, word) for word in (1, 3, 1)]  # to write, nearest, data

        def inside(at, _):
            place = tools.at(self.rows[0], at)
            self.builder.call(ask, [self.builder.bitcast(place, byte), *words])
            return []

        tools.over(self.width, tools.lanes, [], inside)


@overload(product)
def _compiled_product(P, u, Q, i):
    if not _rows_of_vectors(P, Q):
        return None
    lanes = VECTOR_BYTES // (P.dtype.bitwidth // 8)

    def compiled(P, u, Q, i):
        s = _product(P, u, Q, i)  # type: ignore[call-arg, var-annotated]
        for f in range(P.shape[1] // lanes * lanes, P.shape[1]):
            s += P[u, f] * Q[i, f]
        return s

    return compiled


@intrinsic
def _product(typing, P, u, Q, i):
    def build(context, builder, signature, args):
        rows = _Rows(context, builder, signature, args, [(0, 1), (2, 3)])
        return rows.sums(lambda total, p, q: rows.tools.fma(p, q, total))

    return P.dtype(P, types.intp, Q, types.intp), build


@overload(difference_product)
def _compiled_difference_product(P, u, Q, i, j):
    if not _rows_of_vectors(P, Q):
        return None
    return lambda P, u, Q, i, j: _difference_product(P, u, Q, i, j)  # type: ignore[call-arg]


@intrinsic
def _difference_product(typing, P, u, Q, i, j):
    def build(context, builder, signature, args):
        rows = _Rows(context, builder, signature, args, [(0, 1), (2, 3), (2, 4)])
        return rows.sums(lambda total, p, q, r: rows.tools.fma(p, builder.fsub(q, r), total))

    return P.dtype(P, types.intp, Q, types.intp, types.intp), build


@overload(step_pair)
def _compiled_step_pair(P, u, Q, i, value, base, shrink, rate):
    if not _rows_of_vectors(P, Q):
        return None
    return lambda P, u, Q, i, value, base, shrink, rate: _step_pair(P, u, Q, i, value, base, shrink, rate)  # type: ignore[call-arg]


@intrinsic
def _step_pair(typing, P, u, Q, i, value, base, shrink, rate):
    def build(context, builder, signature, args):
        rows = _Rows(context, builder, signature, args, [(0, 1), (2, 3)])
        tools, less = rows.tools, rows.tools.spread(args[6])

        def error(dot):
            return builder.fsub(args[4], builder.fadd(args[5], dot))

        def stepped(e):
            move = tools.spread(builder.fmul(args[7], e))
            return lambda p, q: (tools.fma(move, q, builder.fmul(less, p)), tools.fma(move, p, builder.fmul(less, q)))

        done, other, errors = builder.append_basic_block("done"), builder.append_basic_block("other"), []
        cases = builder.switch(rows.width, other)
        for n in range(1, KEPT + 1):
            block = builder.append_basic_block(f"of_{n}")
            cases.add_case(tools.whole(n * tools.lanes), block)
            builder.position_at_end(block)
            places = [[tools.at(row, part * tools.lanes) for row in rows.rows] for part in range(n)]
            pairs = [[tools.load(place) for place in pair] for pair in places]
            total = tools.zeros()
            for p, q in pairs:
                total = tools.fma(p, q, total)
            e = error(tools.total(total))
            body = stepped(e)
            for pair, targets in zip(pairs, places, strict=True):
                for new, place in zip(body(*pair), targets, strict=True):
                    tools.store(new, place)
            errors.append((e, builder.block))
            builder.branch(done)
        builder.position_at_end(other)
        e = error(rows.sums(lambda total, p, q: tools.fma(p, q, total)))
        rows.replace(stepped(e))
        errors.append((e, builder.block))
        builder.branch(done)
        builder.position_at_end(done)
        result = builder.phi(e.type)
        for value, block in errors:
            result.add_incoming(value, block)
        return result

    number = P.dtype
    return number(P, types.intp, Q, types.intp, number, number, number, number), build


@overload(step_triple)
def _compiled_step_triple(P, u, Q, i, j, shrinks, step):
    if not _rows_of_vectors(P, Q):
        return None
    return lambda P, u, Q, i, j, shrinks, step: _step_triple(P, u, Q, i, j, *shrinks, step)  # type: ignore[call-arg]


@intrinsic
def _step_triple(typing, P, u, Q, i, j, of_user, of_item, of_negative, step):
    def build(context, builder, signature, args):
        rows = _Rows(context, builder, signature, args, [(0, 1), (2, 3), (2, 4)])
        tools = rows.tools
        less = [tools.spread(shrink) for shrink in args[5:8]]
        move, back = tools.spread(args[8]), tools.spread(builder.fneg(args[8]))

        def body(p, q, r):
            return (
                tools.fma(move, builder.fsub(q, r), builder.fmul(less[0], p)),
                tools.fma(move, p, builder.fmul(less[1], q)),
                tools.fma(back, p, builder.fmul(less[2], r)),
            )

        rows.replace(body)
        return context.get_dummy_value()

    number = P.dtype
    return types.void(P, types.intp, Q, types.intp, types.intp, number, number, number, number), build


@overload(step_one)
def _compiled_step_one(P, u, Q, i, j, shrink, step):
    if not _rows_of_vectors(P, Q):
        return None
    return lambda P, u, Q, i, j, shrink, step: _step_one(P, u, Q, i, j, shrink, step)  # type: ignore[call-arg]


@intrinsic
def _step_one(typing, P, u, Q, i, j, shrink, step):
    def build(context, builder, signature, args):
        rows = _Rows(context, builder, signature, args, [(0, 1), (2, 3), (2, 4)])
        tools = rows.tools
        less, move = tools.spread(args[5]), tools.spread(args[6])
        rows.replace(lambda p, q, r: [tools.fma(move, builder.fsub(q, r), builder.fmul(less, p))])
        return context.get_dummy_value()

    return types.void(P, types.intp, Q, types.intp, types.intp, P.dtype, P.dtype), build


@overload(fetch_row)
def _compiled_fetch_row(P, u):
    if not _rows_of_vectors(P):
        return None
    return lambda P, u: _fetch_row(P, u)  # type: ignore[call-arg]


@intrinsic
def _fetch_row(typing, P, u):
    def build(context, builder, signature, args):
        rows = _Rows(context, builder, signature, args, [(0, 1)])
        rows.touch()
        return context.get_dummy_value()

    return types.void(P, types.intp), build


@overload(add_row)
def _compiled_add_row(P, u, M, factor):
    if not _rows_of_vectors(P, M):
        return None
    return lambda P, u, M, factor: _add_row(P, u, M, factor)  # type: ignore[call-arg]


@intrinsic
def _add_row(typing, P, u, M, factor):
    def build(context, builder, signature, args):
        rows = _Rows(context, builder, signature, args, [(0, 1), (2, 1)])
        times = rows.tools.spread(args[3])
        rows.replace(lambda p, m: [rows.tools.fma(times, m, p)])
        return context.get_dummy_value()

    return types.void(P, types.intp, M, P.dtype), build
