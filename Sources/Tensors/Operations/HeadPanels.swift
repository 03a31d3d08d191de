// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// The heads of a [N, T, heads * d] tensor as right operands of products, each in panels of its own.
struct HeadPanels {
    private let panels: Tensor
    /// Rows of a panel: elements, or pairs of them.
    private let rows: Int
    private let unit: Int
    private let isTransposed: Bool

    /// - Parameters:
    ///   - isTransposed: [d, T] for each head, a token in each column; otherwise [T, d].
    ///   - isPaired: rows rounded to bf16 in pairs.
    init(_ tensor: Tensor, heads: Int, isTransposed: Bool, isPaired: Bool) {
        let (samples, tokens, channels) = (tensor.shape[0], tensor.shape[1], tensor.shape[2])
        let depth = channels / heads, plain = isTransposed ? depth : tokens, columns = isTransposed ? tokens : depth
        unit = isPaired ? 2 : 1
        let rows = (plain + unit - 1) / unit, width = Product.panelWidth
        let panels = Tensor(uninitialized: [samples * heads, Product.panelFloats(depth: rows, columns: columns)])
        // Sixteen panels at a time are enough for a task.
        let piece = 16 * width, pieces = (columns + piece - 1) / piece
        let identity = (0..<plain).map { UInt32($0) }
        parallel(samples * heads * pieces) { task in
            let (pair, first) = (task / pieces, task % pieces * piece), count = min(piece, columns - first)
            let source = tensor.pointer + pair / heads * tokens * channels + pair % heads * depth
            let target = panels.pointer + pair * panels.width + first * rows
            Product.pack(rows: plain, columns: count, isPaired: isPaired, into: target) { wide in
                if isTransposed {
                    pw_pack_transposed(PW_F32, source + first * channels, channels, plain, count, identity, wide, plain * width)
                } else {
                    pw_pack_straight(PW_F32, source + first, channels, plain, count, wide, plain * width)
                }
            }
        }
        (self.panels, self.rows, self.isTransposed) = (panels, rows, isTransposed)
    }

    private func start(_ pair: Int) -> UnsafePointer<Float> { UnsafePointer(panels.pointer + pair * panels.width) }

    /// [d, tokens from `first` on]; `first` is a multiple of the panel's width.
    func columns(_ pair: Int, from first: Int) -> RightOperand {
        precondition(isTransposed && first % Product.panelWidth == 0)
        return RightOperand(pointer: start(pair) + first * rows, stride: rows * Product.panelWidth, isPaired: unit == 2)
    }

    /// [tokens from `first` on, d]; `first` is even.
    func rows(_ pair: Int, from first: Int) -> RightOperand {
        precondition(!isTransposed && first % unit == 0)
        return RightOperand(
            pointer: start(pair) + first / unit * Product.panelWidth, stride: rows * Product.panelWidth, isPaired: unit == 2)
    }
}

/// What the products of attention's gradient have on their right.
struct GradientPanels {
    let keyColumns: HeadPanels, valueColumns: HeadPanels
    /// Only for the queries' gradient.
    let keyRows: HeadPanels?
    let queryRows: HeadPanels, outputRows: HeadPanels

    init(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, _ outputGradient: Tensor, heads: Int, needsQuery: Bool, isPaired: Bool
    ) {
        func panels(_ tensor: Tensor, isTransposed: Bool) -> HeadPanels {
            HeadPanels(tensor, heads: heads, isTransposed: isTransposed, isPaired: isPaired)
        }
        keyColumns = panels(key, isTransposed: true)
        valueColumns = panels(value, isTransposed: true)
        keyRows = needsQuery ? panels(key, isTransposed: false) : nil
        queryRows = panels(query, isTransposed: false)
        outputRows = panels(outputGradient, isTransposed: false)
    }
}
