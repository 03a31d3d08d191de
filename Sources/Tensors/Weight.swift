// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// A frozen weight [outputs, inputs, kernelHeight, kernelWidth] where it lies: in a tensor or in a mapped file, as f32, f16 or bf16.
///
/// It is never laid out anew as a whole. A product widens and orders the block that it is about to use (`pack`), which costs little beside
/// the multiplications that share the block, so a model needs no memory but its file's pages, and several processes share those.
package struct Weight: Sendable {
    package enum Element: Sendable {
        case float32, float16, bfloat16

        fileprivate var code: pw_element {
            switch self {
            case .float32: PW_F32
            case .float16: PW_F16
            case .bfloat16: PW_BF16
            }
        }

        var byteCount: Int { self == .float32 ? 4 : 2 }
    }

    package let outputs: Int, inputs: Int, kernelHeight: Int, kernelWidth: Int
    let element: Element
    /// Whether the taps of one pair of channels lie side by side, as torch stores them; otherwise the inputs do.
    private let tapsAreInner: Bool
    // Read only, kept alive by the owner.
    private nonisolated(unsafe) let base: UnsafeRawPointer
    private let owner: any Sendable

    package var taps: Int { kernelHeight * kernelWidth }
    package var count: Int { outputs * inputs * taps }

    /// [outputs, inputs], or [outputs, kernelHeight, kernelWidth, inputs].
    package init(_ tensor: Tensor) {
        let shape = tensor.shape
        precondition(shape.count == 2 || shape.count == 4, "a weight has two or four dimensions, not \(shape)")
        (outputs, inputs) = (shape[0], shape[shape.count - 1])
        (kernelHeight, kernelWidth) = shape.count == 4 ? (shape[1], shape[2]) : (1, 1)
        (element, tapsAreInner) = (.float32, false)
        base = UnsafeRawPointer(tensor.pointer)
        owner = tensor
    }

    /// Elements in torch's order [outputs, inputs, kernelHeight, kernelWidth] at any address, which `owner` keeps alive and unchanged.
    package init(
        _ base: UnsafeRawPointer, _ element: Element, outputs: Int, inputs: Int, kernelHeight: Int = 1, kernelWidth: Int = 1,
        owner: any Sendable
    ) {
        (self.outputs, self.inputs, self.kernelHeight, self.kernelWidth) = (outputs, inputs, kernelHeight, kernelWidth)
        (self.base, self.element, self.owner) = (base, element, owner)
        tapsAreInner = kernelHeight * kernelWidth > 1
    }

    /// A weight of which only the shape is of use.
    package init(placeholder shape: [Int]) {
        self.init(Tensor(placeholder: [shape[0]] + shape.dropFirst(2) + [shape[1]]))
    }

    private var outputStride: Int { inputs * taps }
    private var inputStride: Int { tapsAreInner ? taps : 1 }
    private var tapStride: Int { tapsAreInner ? 1 : inputs }

    private func address(output: Int, input: Int, tap: Int = 0) -> UnsafeRawPointer {
        base + (output * outputStride + input * inputStride + tap * tapStride) * element.byteCount
    }

    /// Which way a product goes through a weight.
    enum Direction {
        /// Inputs are summed over; row tap * block + input of a block.
        case forward
        /// Outputs are summed over, the kernel turned by 180 degrees: the convolution that is the input gradient.
        case turned
        /// One tap only, outputs summed over.
        case tap(Int)
    }

    func depth(_ direction: Direction) -> Int { if case .forward = direction { inputs } else { outputs } }
    func width(_ direction: Direction) -> Int { if case .forward = direction { outputs } else { inputs } }
    func rows(_ direction: Direction, block: Int) -> Int { if case .tap = direction { block } else { block * taps } }

    /// Writes the block of channels `depth` x `columns` as panels with `rows(direction, block: depth.count)` rows each.
    func pack(_ direction: Direction, depth: Range<Int>, columns: Range<Int>, into panels: UnsafeMutablePointer<Float>) {
        let stride = rows(direction, block: depth.count) * Product.panelWidth
        switch direction {
        case .forward: packForward(depth, columns, panels, stride)
        case .turned: packTurned(depth, columns, panels, stride)
        case .tap(let tap): packTap(tap, outputs: depth, columns, panels, stride)
        }
    }

    private func packForward(_ depth: Range<Int>, _ columns: Range<Int>, _ panels: UnsafeMutablePointer<Float>, _ stride: Int) {
        if tapsAreInner {
            let rows = (0..<depth.count * taps).map { UInt32($0 % taps * depth.count + $0 / taps) }
            pw_pack_transposed(
                element.code, address(output: columns.lowerBound, input: depth.lowerBound), outputStride, rows.count, columns.count, rows,
                panels, stride)
            return
        }
        let rows = (0..<depth.count).map { UInt32($0) }
        for tap in 0..<taps {
            pw_pack_transposed(
                element.code, address(output: columns.lowerBound, input: depth.lowerBound, tap: tap), outputStride, rows.count,
                columns.count, rows, panels + tap * depth.count * Product.panelWidth, stride)
        }
    }

    private func packTurned(_ depth: Range<Int>, _ columns: Range<Int>, _ panels: UnsafeMutablePointer<Float>, _ stride: Int) {
        if tapsAreInner {
            for (place, output) in depth.enumerated() {
                let rows = (0..<taps).map { UInt32((taps - 1 - $0) * depth.count + place) }
                pw_pack_transposed(
                    element.code, address(output: output, input: columns.lowerBound), taps, taps, columns.count, rows, panels, stride)
            }
            return
        }
        for tap in 0..<taps {
            packTap(tap, outputs: depth, columns, panels + (taps - 1 - tap) * depth.count * Product.panelWidth, stride)
        }
    }

    private func packTap(
        _ tap: Int, outputs: Range<Int>, _ columns: Range<Int>, _ panels: UnsafeMutablePointer<Float>, _ stride: Int
    ) {
        if tapsAreInner {
            for (place, output) in outputs.enumerated() {
                pw_pack_transposed(
                    element.code, address(output: output, input: columns.lowerBound, tap: tap), taps, 1, columns.count, [UInt32(place)],
                    panels, stride)
            }
            return
        }
        pw_pack_straight(
            element.code, address(output: outputs.lowerBound, input: columns.lowerBound, tap: tap), outputStride, outputs.count,
            columns.count, panels, stride)
    }

    /// One row of a weight with a single tap, as f32.
    func copyRow(_ output: Int, into row: UnsafeMutablePointer<Float>) { copyRow(output, tap: 0, into: row) }

    private func copyRow(_ output: Int, tap: Int, into row: UnsafeMutablePointer<Float>) {
        // Packed with one row for each panel, a row is itself.
        let padded = scratch(0, inputs + Product.panelWidth)
        packTap(tap, outputs: output..<output + 1, 0..<inputs, padded, Product.panelWidth)
        row.update(from: padded, count: inputs)
    }

    /// All elements as f32, [outputs, kernelHeight, kernelWidth, inputs].
    package func widened() -> Tensor {
        let result = Tensor(uninitialized: [outputs, kernelHeight, kernelWidth, inputs])
        let (taps, inputs) = (taps, inputs)
        parallelRanges(outputs, minimum: max(1, 65536 / max(1, taps * inputs))) { range in
            for output in range {
                for tap in 0..<taps { copyRow(output, tap: tap, into: result.pointer + (output * taps + tap) * inputs) }
            }
        }
        return result
    }
}
