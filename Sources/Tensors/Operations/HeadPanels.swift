// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// The heads of a [N, T, heads * d] tensor as right operands of products, each in panels of its own.
struct HeadPanels {
    private let panels: Tensor
    private let heads: Int, tokens: Int, depth: Int
    private let isTransposed: Bool

    /// - Parameter isTransposed: [d, T] for each head, a token in each column; otherwise [T, d].
    init(_ tensor: Tensor, heads: Int, isTransposed: Bool) {
        let (samples, tokens, channels) = (tensor.shape[0], tensor.shape[1], tensor.shape[2])
        let depth = channels / heads
        let floats = isTransposed
            ? Product.panelFloats(depth: depth, columns: tokens) : Product.panelFloats(depth: tokens, columns: depth)
        let panels = Tensor(uninitialized: [samples * heads, floats])
        // Sixteen panels at a time are enough for a task.
        let piece = 16 * Product.panelWidth, pieces = isTransposed ? (tokens + piece - 1) / piece : 1
        let rows = (0..<depth).map { UInt32($0) }
        parallel(samples * heads * pieces) { task in
            let (pair, first) = (task / pieces, task % pieces * piece)
            let source = tensor.pointer + pair / heads * tokens * channels + pair % heads * depth, target = panels.pointer + pair * floats
            if isTransposed {
                pw_pack_transposed(
                    PW_F32, source + first * channels, channels, depth, min(piece, tokens - first), rows, target + first * depth,
                    depth * Product.panelWidth)
            } else {
                pw_pack_straight(PW_F32, source, channels, tokens, depth, target, tokens * Product.panelWidth)
            }
        }
        (self.panels, self.heads, self.tokens, self.depth, self.isTransposed) = (panels, heads, tokens, depth, isTransposed)
    }

    private func start(_ pair: Int) -> UnsafePointer<Float> { UnsafePointer(panels.pointer + pair * panels.width) }

    /// [d, tokens from `first` on]; `first` is a multiple of the panel's width.
    func columns(_ pair: Int, from first: Int) -> RightOperand {
        precondition(isTransposed && first % Product.panelWidth == 0)
        return RightOperand(pointer: start(pair) + first * depth, stride: depth * Product.panelWidth)
    }

    /// [tokens from `first` on, d].
    func rows(_ pair: Int, from first: Int) -> RightOperand {
        precondition(!isTransposed)
        return RightOperand(pointer: start(pair) + first * Product.panelWidth, stride: tokens * Product.panelWidth)
    }
}

/// What the products of attention's gradient have on their right.
struct GradientPanels {
    let keyColumns: HeadPanels, valueColumns: HeadPanels
    /// Only for the queries' gradient.
    let keyRows: HeadPanels?
    let queryRows: HeadPanels, outputRows: HeadPanels

    init(_ saved: Attention.Saved, _ outputGradient: Tensor, heads: Int, needsQuery: Bool) {
        keyColumns = HeadPanels(saved.key, heads: heads, isTransposed: true)
        valueColumns = HeadPanels(saved.value, heads: heads, isTransposed: true)
        keyRows = needsQuery ? HeadPanels(saved.key, heads: heads, isTransposed: false) : nil
        queryRows = HeadPanels(saved.query, heads: heads, isTransposed: false)
        outputRows = HeadPanels(outputGradient, heads: heads, isTransposed: false)
    }
}
