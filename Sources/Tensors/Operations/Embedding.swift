// SPDX-License-Identifier: Apache-2.0

/// Picks rows of a table by index, with further rows behind it: index `table rows + j` is row j of `learned`.
///
/// The learned rows are the pseudo-word's vectors; only they have a gradient.
package struct Embedding: Sendable {
    /// [rows, width].
    package let table: Tensor

    package init(table: Tensor) {
        precondition(table.shape.count == 2)
        self.table = table
    }

    package var rows: Int { table.shape[0] }

    /// indices.count rows: [indices.count, width].
    package func forward(_ indices: [Int], learned: Tensor?) -> Tensor {
        let width = table.width, known = rows
        precondition(learned.map { $0.width == width } ?? true)
        return Tensor(shape: [indices.count, width]) { out in
            for (place, index) in indices.enumerated() {
                precondition(index >= 0 && index < known + (learned?.shape[0] ?? 0), "index \(index) in a table of \(known) rows")
                let source = index < known ? table.pointer + index * width : (learned ?? table).pointer + (index - known) * width
                out.baseAddress.map { ($0 + place * width).update(from: source, count: width) }
            }
        }
    }

    /// dL/d learned [learnedRows, width]: the sum of the gradients at every place where a learned row stood, in order.
    package func learnedGradient(_ outputGradient: Tensor, indices: [Int], learnedRows: Int) -> Tensor {
        let width = table.width, known = rows
        precondition(outputGradient.count == indices.count * width)
        var sums = [Float](repeating: 0, count: learnedRows * width)
        for (place, index) in indices.enumerated() where index >= known {
            for column in 0..<width { sums[(index - known) * width + column] += outputGradient.pointer[place * width + column] }
        }
        return Tensor(sums, shape: [learnedRows, width])
    }
}
