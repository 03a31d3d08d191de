// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// A block of attention's scores as the left operand of a product, over keys or over queries.
struct ScoreBlock {
    /// The distance of rows: not a power of two, which would put a column of them into few lines of the first cache.
    static let stride = 256 + 16

    private let scores: UnsafeMutablePointer<Float>
    private let rows: Int, columns: Int
    private let isPaired: Bool

    init(_ scores: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, _ isPaired: Bool) {
        (self.scores, self.rows, self.columns, self.isPaired) = (scores, rows, columns, isPaired)
    }

    /// [rows, columns].
    func byRows() -> LeftOperand {
        guard isPaired else { return LeftOperand(pointer: scores, stride: Self.stride) }
        let rounded = scratch(2, rows * Self.stride / 2)
        for row in 0..<rows {
            // An odd row gets a zero at its end.
            if columns % 2 == 1 { scores[row * Self.stride + columns] = 0 }
            pw_round_bf16(scores + row * Self.stride, rounded.halves + row * Self.stride, (columns + 1) / 2 * 2)
        }
        return LeftOperand(pointer: rounded, stride: Self.stride / 2, isPaired: true)
    }

    /// Transposed: [columns, rows].
    func byColumns() -> LeftOperand {
        guard isPaired else { return LeftOperand(pointer: scores, stride: Self.stride, isColumnMajor: true) }
        let pairs = scratch(3, (rows + 1) / 2 * Self.stride)
        pw_pair_rows(scores, Self.stride, rows, columns, pairs.pairs, Self.stride)
        return LeftOperand(pointer: pairs, stride: Self.stride, isColumnMajor: true, isPaired: true)
    }
}
