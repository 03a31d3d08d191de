// SPDX-License-Identifier: Apache-2.0

import HDF5

extension Checkpoint {
    /// Reads the bytes of a checkpoint file of any version up to the current one.
    ///
    /// `name` is what errors call it.
    ///
    /// The bytes may be hostile. Throws a `CheckpointError` that names the place inside the file.
    package init(decoding image: [UInt8], name: String) throws {
        do {
            self = try HDF5Image.read(image) { root in
                guard try root.attribute(text: Layout.Root.format) == Layout.format else {
                    throw HDF5Error(
                        .unexpected, at: "/@\(Layout.Root.format)", "expected \"\(Layout.format)\": an HDF5 file of another kind")
                }
                let version = try root.attribute(integer: Layout.Root.version)
                switch version {
                case 1: return try Checkpoint(version1: root)
                case let version where version > Layout.version: throw NewerVersion(version: version)
                default: throw HDF5Error(.unexpected, at: "/@\(Layout.Root.version)", "no checkpoint has version \(version)")
                }
            }
        } catch let error as HDF5Error {
            throw CheckpointError(.damaged, "\(name): \(error); expected a whole checkpoint: restore a copy, or delete it to start anew")
        } catch let error as NewerVersion {
            throw CheckpointError(
                .tooNew,
                "\(name): checkpoint version \(error.version), expected at most \(Layout.version): update this program to read it")
        }
    }

    private init(version1 root: borrowing GroupReader) throws {
        let embedding = try root.group(Layout.Embedding.group) { try EmbeddingGroup(version1: $0) }
        let shape = embedding.vectors
        self.init(
            study: try root.attribute(text: Layout.Root.study),
            trial: try root.natural(attribute: Layout.Root.trial),
            program: try root.attribute(text: Layout.Root.program),
            cpu: try root.attribute(text: Layout.Root.cpu),
            embedding: embedding.vectors, initial: embedding.initial, best: embedding.best, bestStep: embedding.bestStep,
            clipLWidth: embedding.clipLWidth,
            optimizer: try root.group(Layout.Optimizer.group) { try OptimizerState(version1: $0, shape: shape) },
            history: try root.group(Layout.History.group) { try History(version1: $0) },
            evaluation: try root.group(Layout.Evaluation.group) { try Evaluations(version1: $0) },
            snapshots: try root.group(Layout.Snapshots.group) { try Snapshot.all(version1: $0, shape: shape) },
            studyText: "", hyperparameters: "", modelDigest: "", dataDigest: "")
        try root.group(Layout.Study.group) { group in
            studyText = try group.text(Layout.Study.text, limit: Layout.maximumTextBytes)
            hyperparameters = try group.text(Layout.Study.hyperparameters, limit: Layout.maximumTextBytes)
            modelDigest = try group.attribute(text: Layout.Study.modelDigest)
            dataDigest = try group.attribute(text: Layout.Study.dataDigest)
        }
    }
}

/// Carries the version out of the closure that found it.
private struct NewerVersion: Error {
    let version: Int64
}

private struct EmbeddingGroup {
    let vectors: Vectors
    let initial: Vectors
    let best: Vectors?
    let bestStep: Int?
    let clipLWidth: Int?

    init(version1 group: borrowing GroupReader) throws {
        if try group.contains(Layout.Embedding.clipL) {
            let clipL = try group.vectors(Layout.Embedding.clipL)
            let clipG = try group.vectors(Layout.Embedding.clipG)
            guard clipL.count == clipG.count else {
                throw HDF5Error(
                    .unexpected, at: "\(group.path)/\(Layout.Embedding.clipG)", "\(clipG.count) vectors, but clip_l has \(clipL.count)")
            }
            vectors = clipL.appendingColumns(of: clipG)
            clipLWidth = clipL.width
        } else {
            vectors = try group.vectors(Layout.Embedding.vectors)
            clipLWidth = nil
        }
        initial = try group.vectors(Layout.Embedding.initial, shape: vectors)
        let hasBest = try group.contains(Layout.Embedding.best) || group.contains(Layout.Embedding.bestStep)
        best = hasBest ? try group.vectors(Layout.Embedding.best, shape: vectors) : nil
        bestStep = hasBest ? try group.natural(Layout.Embedding.bestStep) : nil
    }
}

extension Checkpoint.OptimizerState {
    fileprivate init(version1 group: borrowing GroupReader, shape: Vectors) throws {
        self.init(
            exponentialAverage: try group.vectors(Layout.Optimizer.exponentialAverage, shape: shape),
            exponentialAverageOfSquares: try group.vectors(Layout.Optimizer.exponentialAverageOfSquares, shape: shape),
            step: try group.natural(attribute: Layout.Optimizer.step))
    }
}

extension History {
    fileprivate init(version1 group: borrowing GroupReader) throws {
        let step = try group.steps(Layout.History.step)
        self.init(
            step: step,
            loss: try group.column(Layout.History.loss, rows: step.count),
            learningRate: try group.column(Layout.History.learningRate, rows: step.count),
            gradientNorm: try group.column(Layout.History.gradientNorm, rows: step.count),
            embeddingNorm: try group.column(Layout.History.embeddingNorm, rows: step.count),
            seconds: try group.column(Layout.History.seconds, rows: step.count))
    }
}

extension Evaluations {
    fileprivate init(version1 group: borrowing GroupReader) throws {
        let step = try group.steps(Layout.Evaluation.step)
        self.init(
            step: step,
            loss: try group.column(Layout.Evaluation.loss, rows: step.count),
            standardError: try group.column(Layout.Evaluation.standardError, rows: step.count))
    }
}

extension Checkpoint.Snapshot {
    fileprivate static func all(version1 group: borrowing GroupReader, shape: Vectors) throws -> [Self] {
        let steps = try group.steps(Layout.Snapshots.step)
        let stack = try group.array(Layout.Snapshots.vectors, of: Float.self, rank: 3)
        let expected = [steps.count, shape.count, shape.width]
        guard stack.shape == expected else {
            throw HDF5Error(.unexpected, at: "\(group.path)/\(Layout.Snapshots.vectors)", "shape \(stack.shape), expected \(expected)")
        }
        let size = shape.count * shape.width
        return steps.enumerated().map { position, step in
            let values = Array(stack.values[(position * size)..<((position + 1) * size)])
            return Self(step: step, vectors: Vectors(count: shape.count, width: shape.width, values: values))
        }
    }
}

extension GroupReader {
    /// Vectors of any shape without an empty dimension, or of exactly the shape of others.
    fileprivate func vectors(_ name: String, shape: Vectors? = nil) throws -> Vectors {
        let (values, found) = try array(name, of: Float.self, rank: 2)
        if let shape, found != [shape.count, shape.width] {
            throw HDF5Error(.unexpected, at: "\(path)/\(name)", "shape \(found), but the embedding is [\(shape.count), \(shape.width)]")
        }
        guard !values.isEmpty else { throw HDF5Error(.unexpected, at: "\(path)/\(name)", "shape \(found) has no values") }
        return Vectors(count: found[0], width: found[1], values: values)
    }

    fileprivate func column<Element: HDF5Element>(_ name: String, rows: Int) throws -> [Element] {
        let values = try column(name, of: Element.self)
        guard values.count == rows else {
            throw HDF5Error(.unexpected, at: "\(path)/\(name)", "\(values.count) rows, but the column step has \(rows)")
        }
        return values
    }

    fileprivate func steps(_ name: String) throws -> [Int] {
        try column(name, of: Int64.self).map { try Self.natural($0, at: "\(path)/\(name)") }
    }

    fileprivate func natural(_ name: String) throws -> Int { try Self.natural(integer(name), at: "\(path)/\(name)") }

    fileprivate func natural(attribute name: String) throws -> Int {
        try Self.natural(attribute(integer: name), at: "\(path)/@\(name)")
    }

    private static func natural(_ value: Int64, at place: String) throws -> Int {
        guard value >= 0, let natural = Int(exactly: value) else { throw HDF5Error(.unexpected, at: place, "\(value), expected 0 or more") }
        return natural
    }
}
