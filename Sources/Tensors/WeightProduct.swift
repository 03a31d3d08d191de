// SPDX-License-Identifier: Apache-2.0
private import Synchronization

/// A product with a weight, block by block: each block is packed just before it is used, or taken from what was kept.
struct WeightProduct {
    let weight: Weight
    let direction: Weight.Direction
    /// Both operands are pairs of bf16; the weight has an even depth then.
    var isPaired = false
    /// The whole weight in panels, block of channels by block of channels.
    var kept: Tensor?

    /// Rows of a block: a panel of it stays in the first cache.
    private static let blockRows = 320
    /// Columns that are packed at once.
    private static let blockColumns = 512

    /// Channels of a block, but for the last one; even.
    var blockDepth: Int {
        let taps = weight.rows(direction, block: 1)
        return taps == 1 ? Self.blockRows : max(2, min(32, Self.blockRows / taps / 2 * 2))
    }

    /// Rows x columns of C on the calling thread, `left` giving the left operand for a range of channels.
    ///
    /// - Parameters:
    ///   - c: where the first row and column go.
    ///   - addends: for that same place.
    func run(
        rows: Int, columns: Range<Int>, into c: UnsafeMutablePointer<Float>, stride: Int, adding addends: Addends,
        left: (Range<Int>) -> LeftOperand
    ) {
        let total = weight.depth(direction)
        for first in Swift.stride(from: 0, to: total, by: blockDepth) {
            let depth = first..<min(total, first + blockDepth), blockRows = weight.rows(direction, block: depth.count)
            let a = left(depth), step = kept == nil ? Self.blockColumns : columns.count
            for start in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: step) {
                let part = start..<min(columns.upperBound, start + step), offset = start - columns.lowerBound
                Product.multiply(
                    rows, part.count, blockRows, a, panels(depth, part, rows: blockRows), into: c + offset, stride: stride,
                    adding: first == 0
                        ? Addends(bias: addends.bias.map { $0 + offset }, residual: addends.residual.map { $0 + offset })
                        : Addends(residual: UnsafePointer(c + offset)))
            }
        }
    }

    private func panels(_ depth: Range<Int>, _ columns: Range<Int>, rows: Int) -> RightOperand {
        let unit = isPaired ? 2 : 1, stride = rows / unit * Product.panelWidth
        if let kept {
            let place = keptFloats(before: depth.lowerBound) + columns.lowerBound * rows / unit
            return RightOperand(pointer: kept.pointer + place, stride: stride, isPaired: isPaired)
        }
        let panels = scratch(2, Product.panelFloats(depth: rows / unit, columns: columns.count))
        pack(depth, columns, rows: rows, into: panels)
        return RightOperand(pointer: panels, stride: stride, isPaired: isPaired)
    }

    /// Where the blocks from channel `depth` on stand among those that are kept.
    private func keptFloats(before depth: Int) -> Int {
        Product.panelFloats(depth: weight.rows(direction, block: depth), columns: weight.width(direction)) / (isPaired ? 2 : 1)
    }

    private func pack(_ depth: Range<Int>, _ columns: Range<Int>, rows: Int, into panels: UnsafeMutablePointer<Float>) {
        Product.pack(rows: rows, columns: columns.count, isPaired: isPaired, into: panels) { wide in
            weight.pack(direction, depth: depth, columns: columns, into: wide)
        }
    }

    /// All blocks of the weight, one behind the other.
    fileprivate func packWhole() -> Tensor {
        let (total, width) = (weight.depth(direction), weight.width(direction)), block = blockDepth
        let result = Tensor(uninitialized: [keptFloats(before: total)])
        parallel((total + block - 1) / block) { index in
            let depth = index * block..<min(total, (index + 1) * block)
            pack(
                depth, 0..<width, rows: weight.rows(direction, block: depth.count),
                into: result.pointer + keptFloats(before: depth.lowerBound))
        }
        return result
    }
}

/// What is made of a weight for each direction when it is first asked for, and kept.
final class KeptDirections: Sendable {
    private let kept = Mutex<(forward: Tensor?, turned: Tensor?)>((nil, nil))

    func tensor(_ direction: Weight.Direction, _ make: () -> Tensor) -> Tensor {
        kept.withLock { kept in
            let isForward = if case .forward = direction { true } else { false }
            if let known = isForward ? kept.forward : kept.turned { return known }
            let made = make()
            if isForward { kept.forward = made } else { kept.turned = made }
            return made
        }
    }
}

/// The panels of a small weight, kept: few rows share them, so packing would take long beside the product.
///
/// A large weight's second copy costs more memory than it saves time.
final class KeptPanels: Sendable {
    private static let largest = 1 << 19

    private let weight: Weight
    private let precision: ProductPrecision
    private let kept = KeptDirections()

    init(_ weight: Weight, _ precision: ProductPrecision) { (self.weight, self.precision) = (weight, precision) }

    func product(_ direction: Weight.Direction) -> WeightProduct {
        var plain = WeightProduct(weight: weight, direction: direction)
        if case .tap = direction { return plain }
        plain.isPaired = precision.pairs(weight.depth(direction))
        guard weight.count <= Self.largest, Compute.memory == .fast else { return plain }
        plain.kept = kept.tensor(direction) { plain.packWhole() }
        return plain
    }
}
