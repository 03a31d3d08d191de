// SPDX-License-Identifier: Apache-2.0
package import Foundation

extension WireTrainingState {
    /// The vectors with the lowest evaluation loss so far.
    package struct Best: Sendable, Equatable {
        package let vectors: [Float]
        package let step: UInt32
        package let loss: Double

        package init(vectors: [Float], step: UInt32, loss: Double) {
            self.vectors = vectors
            self.step = step
            self.loss = loss
        }
    }

    /// Each array holds count x width values, row after row.
    package init(
        count: Int, width: Int, step: UInt32, embedding: [Float], expAvg: [Float], expAvgSq: [Float], initial: [Float], best: Best?
    ) {
        precondition(WireLimits.vectorCount.contains(count) && WireLimits.vectorWidth.contains(width), "\(count) x \(width) vectors")
        let arrays = [embedding, expAvg, expAvgSq, initial] + (best.map { [$0.vectors] } ?? [])
        precondition(arrays.allSatisfy { $0.count == count * width }, "an array has another length than \(count) x \(width)")
        self.init()
        self.count = UInt32(count)
        self.width = UInt32(width)
        self.step = step
        self.embedding = FloatBytes.encode(embedding)
        self.expAvg = FloatBytes.encode(expAvg)
        self.expAvgSq = FloatBytes.encode(expAvgSq)
        self.initial = FloatBytes.encode(initial)
        if let best {
            self.best = FloatBytes.encode(best.vectors)
            bestStep = best.step
            bestLoss = best.loss
        }
    }

    /// One of the arrays of a state that was decoded, such as `\.embedding`.
    ///
    /// - Throws: `.invalid` when its length does not match.
    package func values(_ array: KeyPath<WireTrainingState, Data>) throws(WireError) -> [Float] {
        try FloatBytes.decode(self[keyPath: array], count: Int(count) * Int(width))
    }

    /// - Throws: `.invalid` when its length does not match.
    package func bestValues() throws(WireError) -> Best? {
        best.isEmpty ? nil : Best(vectors: try values(\.best), step: bestStep, loss: bestLoss)
    }
}

extension WireVectors {
    /// count x width values, row after row.
    package init(count: Int, width: Int, values: [Float]) {
        precondition(values.count == count * width, "an array has another length than \(count) x \(width)")
        self.init()
        self.count = UInt32(count)
        self.width = UInt32(width)
        self.values = FloatBytes.encode(values)
    }

    /// - Throws: `.invalid` when the length does not match.
    package func floats() throws(WireError) -> [Float] { try FloatBytes.decode(values, count: Int(count) * Int(width)) }
}
