"""Words of LLVM on whole vectors, of which the kernels' intrinsics are made: LLVM does not find these forms itself."""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from llvmlite import ir
from numba.core import cgutils

VECTOR_BYTES = 64


class Emitter:
    """Words of LLVM on vectors of VECTOR_BYTES."""

    def __init__(self, builder, scalar, bits, vector_bytes=VECTOR_BYTES):
        self.builder, self.scalar, self.bytes = builder, scalar, bits // 8
        self.lanes = vector_bytes // self.bytes
        self.vector = ir.VectorType(scalar, self.lanes)
        name = f"llvm.fma.v{self.lanes}f{bits}"
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), name
        )

    def whole(self, value):
        """Return a constant whole number of 64 bits."""
        return ir.Constant(ir.IntType(64), value)

    def over(self, stop, step, values, body):
        """Emit ``for at in range(0, stop, step): values = body(at, values)``; return the values after it."""
        builder, entry, first = self.builder, self.builder.block, self.whole(0)
        loop, done = builder.append_basic_block("loop"), builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed("<", first, stop), loop, done)
        builder.position_at_end(loop)
        at, inside = builder.phi(ir.IntType(64)), [builder.phi(value.type) for value in values]
        after = body(at, inside)
        following = builder.add(at, self.whole(step))
        for phi, before, later in zip([at, *inside], [first, *values], [following, *after], strict=True):
            phi.add_incoming(before, entry)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, stop), loop, done)
        builder.position_at_end(done)
        results = [builder.phi(value.type) for value in values]
        for phi, before, later in zip(results, values, after, strict=True):
            phi.add_incoming(before, entry)
            phi.add_incoming(later, loop)
        return results

    def zeros(self):
        """Return a vector of zeros."""
        return ir.Constant(self.vector, [0.0] * self.lanes)

    def at(self, pointer, *steps):
        """Return the pointer moved on by whole numbers of elements."""
        for step in steps:
            pointer = self.builder.gep(pointer, [self.whole(step) if isinstance(step, int) else step])
        return pointer

    def load(self, pointer):
        """Return the vector that stands there."""
        value = self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()))
        value.align = self.bytes
        return value

    def store(self, value, pointer):
        """Write a vector there."""
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer())).align = self.bytes

    def fma(self, a, b, more):
        """Return a b + more, rounded once."""
        return self.builder.call(self._fma, [a, b, more])

    def spread(self, value):
        """Return a vector of one number throughout."""
        single = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        return self.pick(single, single, [0] * self.lanes)

    def totals(self, values):
        """Return the sums of four vectors' numbers as one vector, always by halves: one order on every processor."""
        builder = self.builder
        width = self.lanes // 2  # of each vector's part
        pairs = [self.halved(a, b, width, 1) for a, b in (values[:2], values[2:])]
        four = self.halved(pairs[0], pairs[1], width // 2, 2)
        while width > 2:
            width //= 2
            size = width // 2
            low = [width * part + n for part in range(4) for n in range(size)]
            four = builder.fadd(self.pick(four, four, low), self.pick(four, four, [n + size for n in low]))
        return four

    def halved(self, a, b, size, parts):
        """Return the sums of the halves of ``parts`` pieces of each of two vectors, side by side."""
        low = [2 * size * part + n for part in range(parts) for n in range(size)]
        low += [self.lanes + n for n in low]
        return self.builder.fadd(self.pick(a, b, low), self.pick(a, b, [n + size for n in low]))

    def pick(self, a, b, places):
        """Return the numbers at these places of two vectors, counted through."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
        return self.builder.shuffle_vector(a, b, mask)

    def total(self, vector):
        """Return the sum of a vector's numbers, by halves."""
        size = self.lanes
        while size > 1:
            size //= 2
            low, high = (self.pick(vector, vector, list(range(start, start + size))) for start in (0, size))
            vector = self.builder.fadd(low, high)
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def dots(self, rows, width, x, out):
        """Write the inner products of four rows with x."""

        def body(at, sums):
            part = self.load(self.at(x, at))
            return [self.fma(self.load(self.at(row, at)), part, total) for row, total in zip(rows, sums, strict=True)]

        totals = self.totals(self.over(width, self.lanes, [self.zeros()] * len(rows), body))
        self.builder.store(totals, self.builder.bitcast(out, totals.type.as_pointer())).align = self.bytes

    def add_rows(self, rows, width, out, factors):
        """Add four rows times their factors to out."""
        spread = [self.spread(self.builder.load(self.at(factors, n))) for n in range(len(rows))]

        def body(at, _):
            value = self.load(self.at(out, at))
            for factor, row in zip(spread, rows, strict=True):
                value = self.fma(factor, self.load(self.at(row, at)), value)
            self.store(value, self.at(out, at))
            return []

        self.over(width, self.lanes, [], body)


def call_once_emitted(builder, name, args, body):
    """Call a function without result that stands once in a program, however often it is called: it is never inlined.

    Args:
        name: of the function; the same name means the same code.
        args: what it is called with, pointers and numbers.
        body: emits the code, given a builder and the function's own arguments.
    """
    module = builder.module
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [arg.type for arg in args]), name)
        function.linkage = "linkonce_odr"  # of several copies that come together, one is kept
        function.attributes.add("noinline")
        inside = ir.IRBuilder(function.append_basic_block("entry"))
        body(inside, function.args)
        inside.ret_void()
    builder.call(function, args)
