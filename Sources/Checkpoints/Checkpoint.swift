// SPDX-License-Identifier: Apache-2.0

/// Everything about one trial that outlives the machines it ran on: enough to resume it exactly, to export it, and to plot it.
///
/// `write(to:)` and `read(from:)` store it as an HDF5 file. Equal values make equal bytes (with the same versions of HDF5 and
/// zlib): nothing about the time or place of writing is stored, only what is in the value. A file's hash thus tells
/// whether two runs agree, provided that `history.seconds`, the only wall-clock time in it, is equal too.
package struct Checkpoint: Equatable, Sendable {
    /// Adam's moments.
    ///
    /// Both have the shape of the embedding.
    package struct OptimizerState: Equatable, Sendable {
        package var exponentialAverage: Vectors
        package var exponentialAverageOfSquares: Vectors
        /// Updates done so far.
        package var step: Int

        package init(exponentialAverage: Vectors, exponentialAverageOfSquares: Vectors, step: Int) {
            self.exponentialAverage = exponentialAverage
            self.exponentialAverageOfSquares = exponentialAverageOfSquares
            self.step = step
        }
    }

    /// The embedding as it was after a step.
    package struct Snapshot: Equatable, Sendable {
        package var step: Int
        package var vectors: Vectors

        package init(step: Int, vectors: Vectors) {
            self.step = step
            self.vectors = vectors
        }
    }

    package var study: String
    package var trial: Int
    /// The program that wrote it, with its version.
    package var program: String
    /// The kind of CPU that the bits depend on: kernel variant, precision, thread count where it matters.
    package var cpu: String

    package var embedding: Vectors
    package var initial: Vectors
    /// The vectors with the lowest evaluation loss so far, after `bestStep`.
    ///
    /// Both are nil before the first evaluation.
    package var best: Vectors?
    package var bestStep: Int?
    /// SDXL has two text encoders: all vectors are then CLIP-L's columns, this many, followed by CLIP-G's.
    ///
    /// Nil for one encoder.
    package var clipLWidth: Int?

    package var optimizer: OptimizerState
    package var history: History
    package var evaluation: Evaluations
    package var snapshots: [Snapshot]

    /// The study file as submitted.
    package var studyText: String
    /// The trial's resolved hyperparameters, JSON.
    package var hyperparameters: String
    /// SHA-256 of the model, hexadecimal.
    package var modelDigest: String
    /// SHA-256 of the data set, hexadecimal.
    package var dataDigest: String

    package init(
        study: String, trial: Int, program: String, cpu: String,
        embedding: Vectors, initial: Vectors, best: Vectors? = nil, bestStep: Int? = nil, clipLWidth: Int? = nil,
        optimizer: OptimizerState, history: History = History(), evaluation: Evaluations = Evaluations(), snapshots: [Snapshot] = [],
        studyText: String, hyperparameters: String, modelDigest: String, dataDigest: String
    ) {
        self.study = study
        self.trial = trial
        self.program = program
        self.cpu = cpu
        self.embedding = embedding
        self.initial = initial
        self.best = best
        self.bestStep = bestStep
        self.clipLWidth = clipLWidth
        self.optimizer = optimizer
        self.history = history
        self.evaluation = evaluation
        self.snapshots = snapshots
        self.studyText = studyText
        self.hyperparameters = hyperparameters
        self.modelDigest = modelDigest
        self.dataDigest = dataDigest
    }
}
