// SPDX-License-Identifier: Apache-2.0

import HDF5

extension Checkpoint {
    /// The checkpoint as the bytes of an HDF5 file: a pure function of the value.
    ///
    /// Throws a `CheckpointError` if a text cannot be stored. Vectors of different shapes are a programming error.
    package func encoded() throws -> [UInt8] {
        let all =
            [initial, optimizer.exponentialAverage, optimizer.exponentialAverageOfSquares] + [best].compactMap { $0 }
            + snapshots.map(\.vectors)
        precondition(all.allSatisfy { $0.hasShape(of: embedding) }, "all vectors of a checkpoint have the embedding's shape")
        precondition((best == nil) == (bestStep == nil), "best and bestStep come together")
        precondition(clipLWidth.map { (1..<embedding.width).contains($0) } ?? true, "CLIP-L's columns are some, but not all")
        for (name, text) in [("study file", studyText), ("hyperparameters", hyperparameters)]
        where text.utf8.count > Layout.maximumTextBytes {
            throw CheckpointError(
                .notStorable, "the \(name) has \(text.utf8.count) bytes; at most \(Layout.maximumTextBytes) can be stored")
        }
        let image: [UInt8]
        do {
            image = try HDF5Image.make { root in
                try writeIdentity(to: root)
                try writeEmbedding(to: root)
                try writeOptimizer(to: root)
                try writeCurves(to: root)
                try writeSnapshots(to: root)
                try writeStudy(to: root)
            }
        } catch let error as HDF5Error {
            throw CheckpointError(.notStorable, "the checkpoint of trial \(trial) of \(study) cannot be stored: \(error)")
        }
        guard image.count <= Layout.maximumFileBytes else {
            throw CheckpointError(
                .notStorable, "the checkpoint has \(image.count >> 20) MiB; at most \(Layout.maximumFileBytes >> 20) can be stored")
        }
        return image
    }

    private func writeIdentity(to root: borrowing GroupWriter) throws {
        try root.attribute(Layout.Root.format, text: Layout.format)
        try root.attribute(Layout.Root.version, integer: Layout.version)
        try root.attribute(Layout.Root.study, text: study)
        try root.attribute(Layout.Root.trial, integer: Int64(trial))
        try root.attribute(Layout.Root.program, text: program)
        try root.attribute(Layout.Root.cpu, text: cpu)
    }

    private func writeEmbedding(to root: borrowing GroupWriter) throws {
        try root.group(Layout.Embedding.group) { group in
            if let clipLWidth {
                try group.vectors(Layout.Embedding.clipL, embedding.columns(0..<clipLWidth))
                try group.vectors(Layout.Embedding.clipG, embedding.columns(clipLWidth..<embedding.width))
            } else {
                try group.vectors(Layout.Embedding.vectors, embedding)
            }
            try group.vectors(Layout.Embedding.initial, initial)
            if let best, let bestStep {
                try group.vectors(Layout.Embedding.best, best)
                try group.integer(Layout.Embedding.bestStep, Int64(bestStep))
            }
        }
    }

    private func writeOptimizer(to root: borrowing GroupWriter) throws {
        try root.group(Layout.Optimizer.group) { group in
            try group.vectors(Layout.Optimizer.exponentialAverage, optimizer.exponentialAverage)
            try group.vectors(Layout.Optimizer.exponentialAverageOfSquares, optimizer.exponentialAverageOfSquares)
            try group.attribute(Layout.Optimizer.step, integer: Int64(optimizer.step))
        }
    }

    private func writeCurves(to root: borrowing GroupWriter) throws {
        try root.group(Layout.History.group) { group in
            try group.column(Layout.History.step, history.step.map(Int64.init))
            try group.column(Layout.History.loss, history.loss)
            try group.column(Layout.History.learningRate, history.learningRate)
            try group.column(Layout.History.gradientNorm, history.gradientNorm)
            try group.column(Layout.History.embeddingNorm, history.embeddingNorm)
            try group.column(Layout.History.seconds, history.seconds)
        }
        try root.group(Layout.Evaluation.group) { group in
            try group.column(Layout.Evaluation.step, evaluation.step.map(Int64.init))
            try group.column(Layout.Evaluation.loss, evaluation.loss)
            try group.column(Layout.Evaluation.standardError, evaluation.standardError)
        }
    }

    private func writeSnapshots(to root: borrowing GroupWriter) throws {
        try root.group(Layout.Snapshots.group) { group in
            try group.column(Layout.Snapshots.step, snapshots.map { Int64($0.step) })
            let shape = [snapshots.count, embedding.count, embedding.width]
            try group.stack(Layout.Snapshots.vectors, snapshots.flatMap(\.vectors.values), shape: shape)
        }
    }

    private func writeStudy(to root: borrowing GroupWriter) throws {
        try root.group(Layout.Study.group) { group in
            try group.text(Layout.Study.text, studyText)
            try group.text(Layout.Study.hyperparameters, hyperparameters)
            try group.attribute(Layout.Study.modelDigest, text: modelDigest)
            try group.attribute(Layout.Study.dataDigest, text: dataDigest)
        }
    }
}

extension GroupWriter {
    fileprivate func vectors(_ name: String, _ vectors: Vectors) throws {
        try array(name, vectors.values, shape: [vectors.count, vectors.width])
    }
}
