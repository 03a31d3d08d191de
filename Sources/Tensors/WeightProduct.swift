// SPDX-License-Identifier: Apache-2.0
private import Synchronization

/// A product with a weight, block by block: each block is packed just before it is used, or taken from what was kept.
struct WeightProduct {
    let weight: Weight
    let direction: Weight.Direction
    /// The whole weight in panels, block of channels by block of channels.
    var kept: Tensor?

    /// Rows of a block: a panel of it stays in the first cache.
    private static let blockRows = 320
    /// Columns that are packed at once.
    private static let blockColumns = 512

    /// Channels of a block.
    private var blockDepth: Int {
        let taps = weight.rows(direction, block: 1)
        return taps == 1 ? Self.blockRows : max(1, min(32, Self.blockRows / taps))
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
        let stride = rows * Product.panelWidth
        if let kept {
            let before = Product.panelFloats(depth: weight.rows(direction, block: depth.lowerBound), columns: weight.width(direction))
            return RightOperand(pointer: kept.pointer + before + columns.lowerBound * rows, stride: stride)
        }
        let panels = scratch(0, Product.panelFloats(depth: rows, columns: columns.count))
        weight.pack(direction, depth: depth, columns: columns, into: panels)
        return RightOperand(pointer: panels, stride: stride)
    }

    /// All blocks of the weight, one behind the other.
    fileprivate func packWhole() -> Tensor {
        let (total, width) = (weight.depth(direction), weight.width(direction)), block = blockDepth
        let result = Tensor(uninitialized: [Product.panelFloats(depth: weight.rows(direction, block: total), columns: width)])
        parallel((total + block - 1) / block) { index in
            let depth = index * block..<min(total, (index + 1) * block)
            let before = Product.panelFloats(depth: weight.rows(direction, block: depth.lowerBound), columns: width)
            weight.pack(direction, depth: depth, columns: 0..<width, into: result.pointer + before)
        }
        return result
    }
}

/// The panels of a small weight, kept: few rows share them, so packing would take long beside the product.
///
/// A large weight's second copy costs more memory than it saves time.
final class KeptPanels: Sendable {
    private static let largest = 1 << 19

    private let weight: Weight
    private let kept = Mutex<(forward: Tensor?, turned: Tensor?)>((nil, nil))

    init(_ weight: Weight) { self.weight = weight }

    func product(_ direction: Weight.Direction) -> WeightProduct {
        let plain = WeightProduct(weight: weight, direction: direction)
        guard weight.count <= Self.largest, Compute.memory == .fast else { return plain }
        let panels: Tensor? = kept.withLock { kept in
            switch direction {
            case .forward:
                kept.forward = kept.forward ?? plain.packWhole()
                return kept.forward
            case .turned:
                kept.turned = kept.turned ?? plain.packWhole()
                return kept.turned
            case .tap: return nil
            }
        }
        return WeightProduct(weight: weight, direction: direction, kept: panels)
    }
}
