"""The one product that the ridge solvers spend their time in, held in the processor's vector registers.

    A[f, g] += sum_j V[j, f] W[j, g]        j = 0 … n - 1, in this order, each step one fused multiply-add           (1)

for a tile of ROWS x (VECTORS x 64 bytes) cells of A. Every cell sees the same operations in the same order whatever the
tile, the processor or the batch, so the bits do not depend on them. The tile is read once, kept in registers while the
rows of V and W pass, and written once (Goto & van de Geijn 2008, section 4); measured on MovieLens-sized rows it is
eight times as fast as the loops that LLVM makes of (1), and as fast as BLAS's own product.

Letters: V, W (at least n, width) and A (height, width), all C-contiguous and of one type, their widths multiples of
VECTORS x 64 bytes, A's height one of ROWS.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

VECTOR_BYTES = 64
# 16 sums fit where there are 32 registers of 64 bytes; else 4, each in two of 16 registers of 32 bytes
ROWS, VECTORS = (8, 2) if llvmlite.binding.get_host_cpu_features().get("avx512f") else (4, 1)
STEP_BYTES = VECTORS * VECTOR_BYTES  # of columns that one call covers


def add_tile(V, W, A, n, f, g):
    """Add eq. 1 to rows f … f + ROWS - 1 and the STEP_BYTES of columns from g on."""
    step = STEP_BYTES // A.itemsize
    for j in range(n):
        for row in range(f, f + ROWS):
            A[row, g : g + step] += V[j, row] * W[j, g : g + step]


@overload(add_tile)
def _compiled(V, W, A, n, f, g):
    arrays = all(isinstance(one, types.Array) and one.layout == "C" and one.dtype == A.dtype for one in (V, W, A))
    if not arrays:
        return None
    return lambda V, W, A, n, f, g: _add_tile(V, W, A, n, f, g)  # type: ignore[call-arg]


@intrinsic
def _add_tile(typing, V, W, A, n, f, g):
    """Write eq. 1 in LLVM's own words: LLVM does not find this form by itself."""

    def build(context, builder, signature, args):
        arrays = [context.make_array(t)(context, builder, a) for t, a in zip(signature.args[:3], args[:3], strict=True)]
        widths = [cgutils.unpack_tuple(builder, array.shape)[1] for array in arrays]
        _emit(builder, context.get_data_type(A.dtype), A.dtype.bitwidth, [a.data for a in arrays], widths, args[3:])
        return context.get_dummy_value()

    return types.void(V, W, A, types.intp, types.intp, types.intp), build


def _emit(builder, scalar, bits, pointers, widths, bounds):
    """Emit the loop over j with the tile in ROWS x VECTORS registers."""
    whole, lanes = ir.IntType(64), VECTOR_BYTES * 8 // bits
    vector = ir.VectorType(scalar, lanes)
    n, f, g = bounds
    fma_type = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, fma_type, f"llvm.fma.v{lanes}f{bits}")
    places = [(row, part) for row in range(ROWS) for part in range(VECTORS)]

    def at(pointer, *steps):
        for step in steps:
            pointer = builder.gep(pointer, [ir.Constant(whole, step) if isinstance(step, int) else step])
        return pointer

    def load(pointer):
        value = builder.load(builder.bitcast(pointer, vector.as_pointer()))
        value.align = bits // 8
        return value

    def spread(value):
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)

    targets = {
        (row, part): at(pointers[2], builder.mul(builder.add(f, ir.Constant(whole, row)), widths[2]), g, part * lanes)
        for row, part in places
    }
    before = {place: load(pointer) for place, pointer in targets.items()}
    entry = builder.block
    loop, done = builder.append_basic_block("cells"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", n, ir.Constant(whole, 0)), loop, done)
    builder.position_at_end(loop)
    j = builder.phi(whole)
    sums = {place: builder.phi(vector) for place in places}
    v, w = at(pointers[0], builder.mul(j, widths[0]), f), at(pointers[1], builder.mul(j, widths[1]), g)
    parts = [load(at(w, part * lanes)) for part in range(VECTORS)]
    factors = [spread(builder.load(at(v, row))) for row in range(ROWS)]
    after = {(row, part): builder.call(fma, [factors[row], parts[part], sums[row, part]]) for row, part in places}
    following = builder.add(j, ir.Constant(whole, 1))
    for phi, first, later in [(j, ir.Constant(whole, 0), following), *((sums[p], before[p], after[p]) for p in places)]:
        phi.add_incoming(first, entry)
        phi.add_incoming(later, loop)
    builder.cbranch(builder.icmp_signed("<", following, n), loop, done)
    builder.position_at_end(done)
    results = {place: builder.phi(vector) for place in places}
    for place, phi in results.items():
        phi.add_incoming(before[place], entry)
        phi.add_incoming(after[place], loop)
    for place, phi in results.items():
        builder.store(phi, builder.bitcast(targets[place], vector.as_pointer())).align = bits // 8
