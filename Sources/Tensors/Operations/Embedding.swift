// SPDX-License-Identifier: Apache-2.0

/// Picks rows of a table by index, with further rows behind it: index `table rows + j` is row j of `learned`.
///
/// The learned rows are the pseudo-word's vectors; only they have a gradient.
package struct Embedding: Sendable {
    /// [rows, width], read row by row where it lies.
    package let table: Weight

    package init(table: Weight) {
        precondition(table.taps == 1)
        self.table = table
    }

    package var rows: Int { table.outputs }
    package var width: Int { table.inputs }

    /// indices.count rows: [indices.count, width].
    package func forward(_ indices: [Int], learned: Tensor?) -> Tensor {
        let width = width, known = rows
        precondition(learned.map { $0.width == width } ?? true)
        return Tensor(shape: [indices.count, width]) { out in
            for (place, index) in indices.enumerated() {
                precondition(index >= 0 && index < known + (learned?.shape[0] ?? 0), "index \(index) in a table of \(known) rows")
                guard let target = out.baseAddress.map({ $0 + place * width }) else { return }
                if index < known {
                    table.copyRow(index, into: target)
                } else if let learned {
                    target.update(from: learned.pointer + (index - known) * width, count: width)
                }
            }
        }
    }

    /// dL/d learned [learnedRows, width]: the sum of the gradients at every place where a learned row stood, in order.
    package func learnedGradient(_ outputGradient: Tensor, indices: [Int], learnedRows: Int) -> Tensor {
        let width = width, known = rows
        precondition(outputGradient.count == indices.count * width)
        var sums = [Float](repeating: 0, count: learnedRows * width)
        for (place, index) in indices.enumerated() where index >= known {
            for column in 0..<width { sums[(index - known) * width + column] += outputGradient.pointer[place * width + column] }
        }
        return Tensor(sums, shape: [learnedRows, width])
    }
}
